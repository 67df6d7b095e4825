package dev.tandem.engine.handoff.ranktable;

/** The two lists of a rank table. */
public enum Side {
    PREFILL("prefill_device_list"),
    DECODE("decode_device_list");

    private final String key;

    Side(String key) {
        this.key = key;
    }

    /** Its name in the file. */
    public String key() {
        return key;
    }
}
