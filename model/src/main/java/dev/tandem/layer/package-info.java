/**
 * Layers that model graphs are made of: each takes its rank and group from the first line, cuts its weights by output rows and gathers
 * activations before a layer that needs them whole, so that every dot product is whole and any number of ranks gives the same bits. Entry:
 * {@link dev.tandem.layer.RankContext}, which every layer computes with, and {@link dev.tandem.layer.Workspace}, in whose buffers. Called
 * by the rank worker only.
 */
package dev.tandem.layer;
