package dev.tandem.preflight.script;

import dev.tandem.api.HttpAddress;
import dev.tandem.gateway.GatewayConfig;
import dev.tandem.gateway.PdShape;
import dev.tandem.preflight.shell.Place;

/**
 * A command that starts a gateway, read by the gateway's own grammar.
 *
 * @param call the command
 * @param config what the gateway would be started with
 */
record ProxyStart(Call call, GatewayConfig config) {
    Place place() {
        return call.place();
    }

    HttpAddress listen() {
        return config.listen();
    }

    boolean isLayerwise() {
        return config.policies().shape() instanceof PdShape.DecodeFirst;
    }
}
