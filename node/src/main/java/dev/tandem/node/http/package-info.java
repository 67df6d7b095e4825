/**
 * The HTTP surface of a node: OpenAI's and vLLM's endpoints, what a request may ask for, and the metrics page. Entry: {@link
 * dev.tandem.node.http.NodeHttp#start}. Each exchange runs on a virtual thread of its own, which submits sequences to the ranks and reads
 * their token streams; nothing here blocks an engine.
 */
package dev.tandem.node.http;
