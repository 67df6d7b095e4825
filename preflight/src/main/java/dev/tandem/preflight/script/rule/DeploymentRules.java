package dev.tandem.preflight.script.rule;

import dev.tandem.preflight.script.command.Findings;
import dev.tandem.preflight.script.command.ScriptedDeployment;

/** All rules of start scripts: those of each node by itself, and those of all commands of a deployment together. */
public final class DeploymentRules {
    private DeploymentRules() {}

    /** Adds what the rules find, in their order. */
    public static void check(ScriptedDeployment deployment, Findings findings) {
        NodeRules.check(deployment, findings);
        PortRules.check(deployment, findings);
        JoinRules.check(deployment, findings);
        PairRules.check(deployment, findings);
        ProxyRules.check(deployment, findings);
        TableRules.check(deployment, findings);
        QuestionRules.check(deployment, findings);
    }
}
