/**
 * Model graphs: token ids in, logits out, keys and values written through block tables. Entry: {@link dev.tandem.model.Model}; a family is
 * read in its {@code …Graph}, of which there is one per family. A model instance belongs to one rank worker.
 */
package dev.tandem.model;
