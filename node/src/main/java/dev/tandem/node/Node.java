package dev.tandem.node;

import dev.tandem.api.ReservedPorts;
import dev.tandem.api.ThreadDeaths;
import dev.tandem.counter.Counters;
import dev.tandem.engine.cluster.ClusterCounter;
import dev.tandem.engine.cluster.JoinTerms;
import dev.tandem.engine.request.EngineException;
import dev.tandem.node.flags.Parallel;
import dev.tandem.node.flags.ServeFlags;
import dev.tandem.node.http.HandoffPeers;
import dev.tandem.node.http.NodeHttp;
import dev.tandem.node.http.ServedModel;
import dev.tandem.trust.PeerTrust;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One serving process: opens the checkpoint, starts its ranks, meets the other processes of its deployment, then listens; a headless one
 * does not listen. Closing it refuses new requests, lets those under way end for a while, then tells those that are left.
 */
public final class Node implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Node.class);
    /** How long requests may go on in a node that was told to end. */
    private static final Duration DRAIN = Duration.ofSeconds(5);

    private final Resources resources;
    private final LocalEngines engines;
    private final ClusterMembership cluster;
    private final NodeReport report;
    /** Set by whoever closes; read by whoever watches for failures, which an end is not. */
    private volatile boolean isClosing;

    private Node(Resources resources, LocalEngines engines, ClusterMembership cluster, NodeReport report) {
        this.resources = resources;
        this.engines = engines;
        this.cluster = cluster;
        this.report = report;
    }

    /**
     * Starts a node and returns when it is healthy, and its deployment complete.
     *
     * @throws dev.tandem.node.flags.FlagException when flags do not fit the checkpoint or the machine
     * @throws dev.tandem.checkpoint.CheckpointException when the checkpoint cannot be used
     * @throws dev.tandem.api.ApiException when the HTTP port is taken
     * @throws NodeException when the deployment refuses this process or others do not come
     */
    @SuppressWarnings("try") // the ports are held by being open
    public static Node start(NodeConfig config) {
        ThreadDeaths.listen();
        config.notes().forEach(note -> LOG.info("{}", note));
        PeerTrust trust = config.trust().open();
        OpenPorts.warning(config, trust).ifPresent(LOG::warn);
        Optional<LocalDevices> devices = LocalDevices.of(config);
        ReservedPorts named = NamedPorts.reserve(config); // held until whatever listens on them does
        var resources = new Resources();
        try {
            Node node = start(config, resources, devices, trust);
            LOG.info("ready {}", node.report.toMap());
            return node;
        } catch (EngineException e) {
            resources.close();
            throw new NodeException(String.valueOf(e.getMessage()), e);
        } catch (InterruptedException e) {
            resources.close();
            Thread.currentThread().interrupt();
            throw new NodeException("interrupted while starting", e);
        } catch (RuntimeException | Error e) {
            resources.close();
            throw e;
        } finally {
            named.close();
        }
    }

    private static Node start(NodeConfig config, Resources resources, Optional<LocalDevices> devices, PeerTrust trust)
            throws InterruptedException {
        ServeFlags flags = config.flags();
        config.access().requireUsableFiles();
        LOG.info("stage=\"opening {}\"", flags.model().checkpoint());
        LoadedModel loaded = LoadedModel.open(config);
        resources.add(loaded::close);
        var counters = new Counters<>(ClusterCounter.class);
        RankPlan plan = RankPlan.of(config, loaded.checkpoint().config());
        Optional<LocalExperts> experts = experts(config, loaded, plan, trust, counters);
        experts.ifPresent(it -> resources.add(it::close));
        LocalRanks ranks = LocalRanks.load(config, loaded, plan, experts);
        resources.add(ranks::close);
        var behindRequests = new Resources(); // what carries the last words of requests
        resources.add(behindRequests::close);
        LOG.info("stage=\"warming up kernels\"");
        LocalEngines engines = LocalEngines.start(config, plan, ranks, devices, trust);
        resources.add(engines::close);
        ClusterMembership cluster = ClusterMembership.start(
                config,
                ClusterMembership.terms(
                        config,
                        loaded.checkpoint(),
                        plan,
                        experts.map(LocalExperts::port).orElse(0)),
                trust.secret(),
                engines.byDpRank(),
                members -> experts.ifPresent(it -> it.update(members)),
                counters);
        resources.add(cluster::close);
        ServedModel served = loaded.served(plan.maxModelLength());
        var address = new NodeReport.Address(flags.server().host(), 0);
        if (!flags.parallel().isHeadless()) {
            LOG.info("stage=\"listening\"");
            NodeHttp server = NodeHttp.start(
                    flags,
                    config.access(),
                    peers(config, trust),
                    served,
                    cluster.replicas(),
                    cluster::others,
                    counters,
                    engines.runtime());
            behindRequests.add(server::close);
            resources.add(() -> server.drain(DRAIN));
            address = new NodeReport.Address(flags.server().host(), server.port(), server.metricsPort());
        }
        return new Node(resources, engines, cluster, report(config, served, ranks, loaded, address));
    }

    /** Experts spread over ranks, where the flags ask for it and the model has any. */
    private static Optional<LocalExperts> experts(
            NodeConfig config, LoadedModel loaded, RankPlan plan, PeerTrust trust, Counters<ClusterCounter> counters) {
        Parallel parallel = config.flags().parallel();
        if (!parallel.hasExpertParallel() || parallel.worldRanks() == 1 || parallel.localRanks() == 0) {
            return Optional.empty();
        }
        if (loaded.checkpoint().config().feedForward().experts().isEmpty()) {
            LOG.info("--enable-expert-parallel: accepted, no effect, because the model has no experts");
            return Optional.empty();
        }
        JoinTerms terms = ClusterMembership.terms(config, loaded.checkpoint(), plan, 0);
        return Optional.of(LocalExperts.start(config, loaded, terms, trust.secret(), counters));
    }

    private static HandoffPeers peers(NodeConfig config, PeerTrust trust) {
        var ports = new HashSet<>(config.transferPorts().values());
        ports.add(config.flags().server().port());
        config.flags().server().metricsPort().ifPresent(ports::add);
        ClusterMembership.joinAddress(config).ifPresent(address -> ports.add(address.getPort()));
        return new HandoffPeers(
                config.environment().handoff().metaservers(),
                trust,
                Set.copyOf(
                        List.of(config.announcedHost(), config.flags().server().host())),
                ports);
    }

    private static NodeReport report(
            NodeConfig config, ServedModel served, LocalRanks ranks, LoadedModel loaded, NodeReport.Address address) {
        return new NodeReport(
                NodeHttp.roleName(config.flags().kvTransfer()),
                address,
                new NodeReport.Model(served.names(), served.limits().maxModelLength()),
                ranks.kvReport(),
                new NodeReport.Compute(loaded.kernels().name(), ranks.threadsPerRank()),
                config.ports()
                        .filter(ports -> !ports.sideChannels().isEmpty())
                        .map(ports -> config.announcedHost() + ":"
                                + ports.sideChannels().getFirst()));
    }

    public NodeReport report() {
        return report;
    }

    /** Why this process can no longer serve: an engine died, or its deployment goes on without it. */
    public Optional<String> failure() {
        return isClosing ? Optional.empty() : engines.failure().or(cluster::failure);
    }

    @Override
    public void close() {
        isClosing = true;
        LOG.info("node ends");
        resources.close();
        LOG.info("node has ended");
    }
}
