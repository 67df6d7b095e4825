/**
 * A whole check: of one node, of a node that meets its peers, of all nodes from one place. Entry: {@link
 * dev.tandem.ops.preflight.survey.NodeSurvey} and {@link dev.tandem.ops.preflight.survey.RemoteSurvey}.
 */
@NullMarked
package dev.tandem.ops.preflight.survey;

import org.jspecify.annotations.NullMarked;
