package dev.tandem.preflight.script.command;

import dev.tandem.api.HttpAddress;
import dev.tandem.gateway.GatewayConfig;
import dev.tandem.gateway.PdShape;
import dev.tandem.preflight.script.shell.SourceLocation;

/**
 * A command that starts a gateway, read by the gateway's own grammar.
 *
 * @param call the command
 * @param config what the gateway would be started with
 */
public record ProxyStart(Call call, GatewayConfig config) {
    public SourceLocation location() {
        return call.location();
    }

    public HttpAddress listen() {
        return config.listen();
    }

    public boolean isLayerwise() {
        return config.policies().shape() instanceof PdShape.DecodeFirst;
    }
}
