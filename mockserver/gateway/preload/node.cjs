// Loaded by Node with --require under `qwenmock run`: Node before 24 ignores the proxy variables, and no Node uses them
// for `net` and `tls`. Connections to production hosts are led to the proxy, which takes them as if it were the host.
// Connections of HTTP's ports to hosts that are neither allowed nor on this machine fail; all others stay as they are.
"use strict";
const net = require("node:net");

const { port, hosts, allowed, passThrough } = JSON.parse(process.env.QWENMOCK_PRELOAD);
const connect = net.Socket.prototype.connect;
const LOOPBACK = /^(localhost|127(\.\d+){3}|::1|::ffff:127(\.\d+){3})$/;
const HTTP_PORTS = [80, 443];
const PROXY = { host: "127.0.0.1", port, family: 4, lookup: undefined, localAddress: undefined };

net.Socket.prototype.connect = function (...given) {
  // `net.connect` calls it with its arguments in one array, others as they are documented.
  const args = Array.isArray(given[0]) ? given[0] : net._normalizeArgs(given);
  const [options] = args;
  const host = String(options.host ?? "localhost")
    .replace(/\.$/, "")
    .toLowerCase();
  if (!options.path && hosts.includes(host)) {
    args[0] = { ...options, ...PROXY };
    return connect.call(this, args);
  }
  const isFree = options.path || LOOPBACK.test(host) || allowed.includes(host) || passThrough;
  if (isFree || !HTTP_PORTS.includes(Number(options.port))) return connect.apply(this, given);
  refuse(this, net.isIPv6(host) ? `[${host}]` : host, options.port);
  return this;
};

// The proxy refuses it too, and so counts it.
function refuse(socket, host, wanted) {
  const error = new Error(
    `qwenmock: ${host} is no production host of a provider; qwenmock run --allow ${host} lets requests to it through`,
  );
  error.code = "ECONNREFUSED";
  const asked = new net.Socket();
  asked.once("close", () => socket.destroy(error));
  asked.on("error", () => asked.destroy());
  asked.resume();
  connect.call(asked, net._normalizeArgs([PROXY]));
  asked.write(`CONNECT ${host}:${wanted} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
}
