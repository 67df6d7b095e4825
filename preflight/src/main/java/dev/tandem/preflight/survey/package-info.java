/**
 * A whole check: of one node, of a node that meets its peers, of all nodes from one place. Entry: {@link
 * dev.tandem.preflight.survey.NodeSurvey} and {@link dev.tandem.preflight.survey.RemoteSurvey}.
 */
@NullMarked
package dev.tandem.preflight.survey;

import org.jspecify.annotations.NullMarked;
