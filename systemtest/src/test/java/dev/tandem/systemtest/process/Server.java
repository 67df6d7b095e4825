package dev.tandem.systemtest.process;

import dev.tandem.ops.topology.Topology.Endpoint;
import java.net.URI;

/** What has an HTTP address in another process. */
public interface Server {
    Endpoint http();

    default URI uri(String path) {
        return URI.create("http://" + http() + path);
    }
}
