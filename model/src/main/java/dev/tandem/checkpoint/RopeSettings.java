package dev.tandem.checkpoint;

import dev.tandem.checkpoint.ModelConfig.Llama3Scaling;
import dev.tandem.checkpoint.ModelConfig.Ramp;
import dev.tandem.checkpoint.ModelConfig.Rope;
import dev.tandem.checkpoint.ModelConfig.RopeScaling;
import dev.tandem.checkpoint.ModelConfig.YarnScaling;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Reads the rotary embedding of a {@code config.json}: {@code rope_theta} and {@code rope_scaling}, or {@code rope_parameters}. */
final class RopeSettings {
    private static final double DEFAULT_THETA = 10_000;

    /** The scaling that a family may have beside none. */
    enum Kind {
        LLAMA3("llama3"),
        YARN("yarn");

        private final String key;

        Kind(String key) {
            this.key = key;
        }
    }

    private RopeSettings() {}

    /** Base and scaling; other scalings than {@code kind} are refused. */
    static Rope read(Settings config, Kind kind) {
        Optional<Double> theta = theta(config);
        Optional<Settings> older = config.group("rope_scaling");
        Optional<Settings> newer = config.group("rope_parameters");
        if (older.isPresent() && newer.isPresent()) {
            throw config.refuse("rope_scaling", "null beside rope_parameters");
        }
        Optional<Settings> group = older.or(() -> newer);
        Optional<Double> inner = group.flatMap(RopeSettings::theta);
        if (theta.isPresent() && inner.isPresent() && !theta.equals(inner)) {
            throw config.refuse("rope_theta", "the same as inside the rope parameters, " + inner.get());
        }
        Optional<RopeScaling> scaling = group.flatMap(settings -> scaling(settings, kind));
        return new Rope(inner.or(() -> theta).orElse(DEFAULT_THETA), scaling);
    }

    private static Optional<Double> theta(Settings settings) {
        return settings.optionalDecimal("rope_theta", 1, 1e12);
    }

    private static Optional<RopeScaling> scaling(Settings rope, Kind kind) {
        rope.requireHarmless("partial_rotary_factor", List.of(1.0));
        String key = rope.has("rope_type") ? "rope_type" : "type";
        String type = rope.optionalText(key).orElse("default");
        rope.requireHarmless("type", List.of(type));
        Optional<RopeScaling> scaling = Optional.empty();
        if (type.equals(kind.key)) {
            scaling = Optional.of(kind == Kind.LLAMA3 ? llama3(rope) : yarn(rope));
        } else if (!type.equals("default")) {
            throw rope.refuse(key, "default or " + kind.key);
        }
        rope.refuseUnread(Map.of());
        return scaling;
    }

    private static Llama3Scaling llama3(Settings rope) {
        return new Llama3Scaling(
                factor(rope),
                rope.decimal("low_freq_factor", 1e-6, 1e6),
                rope.decimal("high_freq_factor", 1e-6, 1e6),
                originalPositions(rope));
    }

    /** Defaults of the ramp are those of transformers and of DeepSeek's own code. */
    private static YarnScaling yarn(Settings rope) {
        rope.requireHarmless("truncate", List.of(true));
        var ramp = new Ramp(
                rope.optionalDecimal("beta_fast", 1e-3, 1e6).orElse(32.0),
                rope.optionalDecimal("beta_slow", 1e-3, 1e6).orElse(1.0));
        if (ramp.betaFast() <= ramp.betaSlow()) {
            throw rope.refuse("beta_fast", "more than beta_slow " + ramp.betaSlow());
        }
        return new YarnScaling(
                factor(rope),
                originalPositions(rope),
                ramp,
                rope.decimal("mscale", 1e-6, 1e3),
                rope.decimal("mscale_all_dim", 1e-6, 1e3));
    }

    private static double factor(Settings rope) {
        return rope.decimal("factor", 1, 1e6);
    }

    private static int originalPositions(Settings rope) {
        return rope.integer("original_max_position_embeddings", 1, ModelLimits.POSITIONS);
    }
}
