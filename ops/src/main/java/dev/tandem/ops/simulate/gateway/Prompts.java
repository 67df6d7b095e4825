package dev.tandem.ops.simulate.gateway;

import dev.tandem.ops.simulate.EngineDeployment;
import dev.tandem.ops.simulate.SimulatedModel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/** What clients ask, and what they must get; both depend on nothing but the client's number and the prompt's place in its request. */
sealed interface Prompts {
    /** The prompt as JSON. */
    String json(int client, int index);

    /** Spellings of the tokens that must follow. */
    List<String> answer(int client, int index, long seed, int maxTokens);

    /** Text for model nodes. */
    record Texts() implements Prompts {
        @Override
        public String json(int client, int index) {
            return "\"" + text(client, index) + "\"";
        }

        @Override
        public List<String> answer(int client, int index, long seed, int maxTokens) {
            List<String> tokens = new ArrayList<>();
            for (int position = 0; position < maxTokens; position++) {
                tokens.add(ModelAnswer.token(text(client, index), seed, position));
            }
            return tokens;
        }

        private static String text(int client, int index) {
            return "p" + client + "_" + index;
        }
    }

    /**
     * Token ids for engines, which choose what is most likely, whatever the seed of a request.
     *
     * @param seed of the simulation
     */
    record TokenIds(long seed) implements Prompts {
        private static final long MOST_PROMPTS = 1 << 8; // of a client

        /** How a token is written in answers. */
        static String spelled(int id) {
            return id + " ";
        }

        @Override
        public String json(int client, int index) {
            return Arrays.toString(ids(client, index));
        }

        @Override
        public List<String> answer(int client, int index, long requestSeed, int maxTokens) {
            List<String> tokens = new ArrayList<>();
            for (int id : SimulatedModel.expected(ids(client, index), maxTokens)) {
                tokens.add(spelled(id));
            }
            return tokens;
        }

        private int[] ids(int client, int index) {
            return EngineDeployment.prompt(new SplittableRandom(seed + client * MOST_PROMPTS + index));
        }
    }
}
