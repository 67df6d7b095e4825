/**
 * Model graphs: token ids in, logits out, keys and values written through block tables. Entry: {@link dev.tandem.model.Model}. A model
 * instance belongs to one rank worker.
 */
package dev.tandem.model;
