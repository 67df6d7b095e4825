package dev.tandem.node.flags;

import dev.tandem.trust.AddressList;
import dev.tandem.trust.ClusterSecret;
import dev.tandem.trust.PeerTrust;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Where the cluster's secret comes from, and which foreign peers need none. Only {@link #open} reads the secret's file: settings are also
 * checked for nodes of other machines.
 *
 * @param token the secret itself, {@code TANDEM_CLUSTER_TOKEN}
 * @param tokenFile its file, {@code --cluster-token-file} or {@code TANDEM_CLUSTER_TOKEN_FILE}
 * @param foreign {@code --foreign-peers} or {@code TANDEM_FOREIGN_PEERS}
 */
public record TrustSettings(Optional<String> token, Optional<Path> tokenFile, AddressList foreign) {
    /** Nothing was said. */
    public static final TrustSettings NONE = new TrustSettings(Optional.empty(), Optional.empty(), AddressList.empty());

    /** Reads the flags {@code --cluster-token-file} and {@code --foreign-peers}; the table must have both. */
    static TrustSettings of(FlagArguments line) {
        AddressList foreign = AddressList.empty();
        try {
            foreign = AddressList.parse(line.text("foreign-peers").orElse(""));
        } catch (IllegalArgumentException e) {
            line.problem("--foreign-peers: " + e.getMessage());
        }
        return new TrustSettings(
                Optional.empty(), line.text("cluster-token-file").map(Path::of), foreign);
    }

    /**
     * Reads the variables.
     *
     * @param problems takes what is wrong with them
     */
    public static TrustSettings of(Map<String, String> variables, List<String> problems) {
        Optional<String> token = text(variables, PeerTrust.TOKEN);
        Optional<String> file = text(variables, PeerTrust.TOKEN_FILE);
        AddressList foreign = AddressList.empty();
        try {
            foreign = AddressList.parse(text(variables, PeerTrust.FOREIGN_PEERS).orElse(""));
        } catch (IllegalArgumentException e) {
            problems.add(PeerTrust.FOREIGN_PEERS + ": " + e.getMessage());
        }
        if (token.isPresent() && file.isPresent()) {
            problems.add(PeerTrust.TOKEN + " and " + PeerTrust.TOKEN_FILE + " are both set; give one of them");
        }
        try {
            token.ifPresent(ClusterSecret::of);
        } catch (IllegalArgumentException e) {
            problems.add(PeerTrust.TOKEN + ": " + e.getMessage());
        }
        return new TrustSettings(token, file.map(Path::of), foreign);
    }

    /** Theirs, where these say nothing. */
    public TrustSettings orElse(TrustSettings theirs) {
        boolean hasSecret = token.isPresent() || tokenFile.isPresent();
        return new TrustSettings(
                hasSecret ? token : theirs.token,
                hasSecret ? tokenFile : theirs.tokenFile,
                foreign.isEmpty() ? theirs.foreign : foreign);
    }

    /**
     * Reads the secret.
     *
     * @throws FlagException when its file cannot be used
     */
    public PeerTrust open() {
        try {
            ClusterSecret secret = tokenFile
                    .map(ClusterSecret::inFile)
                    .or(() -> token.map(ClusterSecret::of))
                    .orElseGet(ClusterSecret::none);
            return new PeerTrust(secret, foreign);
        } catch (IllegalArgumentException e) {
            throw new FlagException(String.valueOf(e.getMessage()));
        }
    }

    /**
     * Reads the variables and the secret, for a command that has no flags of it.
     *
     * @throws FlagException with all problems
     */
    public static PeerTrust open(Map<String, String> variables) {
        var problems = new ArrayList<String>();
        TrustSettings settings = of(variables, problems);
        if (!problems.isEmpty()) {
            throw new FlagException(problems);
        }
        return settings.open();
    }

    private static Optional<String> text(Map<String, String> variables, String name) {
        return Optional.ofNullable(variables.get(name)).map(String::strip).filter(text -> !text.isEmpty());
    }

    /** Without the secret: records are printed. */
    @Override
    public String toString() {
        return "TrustSettings[tokenFile=" + tokenFile + ", foreign=" + foreign + "]";
    }
}
