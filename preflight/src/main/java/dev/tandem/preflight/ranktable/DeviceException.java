package dev.tandem.preflight.ranktable;

/** Devices that could not be asked, or whose answers make no table; the message names node, device, command and what it said. */
public final class DeviceException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public DeviceException(String message) {
        super(message);
    }
}
