package dev.tandem.api;

/** The product's version, as {@code /version} and {@code --version} show it. */
public final class Version {
    public static final String TEXT = "0.1.0";

    private Version() {}
}
