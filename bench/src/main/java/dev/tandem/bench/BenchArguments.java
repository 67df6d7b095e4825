package dev.tandem.bench;

import java.util.Arrays;
import java.util.List;

/**
 * The arguments of a measurement, {@code name=value} each, in any order.
 *
 * @param arguments as they stand on the command line
 */
record BenchArguments(List<String> arguments) {
    String text(String name, String fallback) {
        return arguments.stream()
                .filter(argument -> argument.startsWith(name + "="))
                .map(argument -> argument.substring(name.length() + 1))
                .findFirst()
                .orElse(fallback);
    }

    /** Values with commas between them. */
    String[] list(String name, String fallback) {
        return text(name, fallback).split(",", -1);
    }

    int number(String name, int fallback) {
        return Integer.parseInt(text(name, Integer.toString(fallback)));
    }

    int[] numbers(String name, String fallback) {
        return Arrays.stream(list(name, fallback)).mapToInt(Integer::parseInt).toArray();
    }
}
