package dev.tandem.bench;

import java.util.Arrays;
import java.util.List;

/**
 * The arguments of a measurement, {@code name=value} each, in any order.
 *
 * @param words as they stand on the command line
 */
record BenchWords(List<String> words) {
    String text(String name, String fallback) {
        return words.stream()
                .filter(word -> word.startsWith(name + "="))
                .map(word -> word.substring(name.length() + 1))
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
