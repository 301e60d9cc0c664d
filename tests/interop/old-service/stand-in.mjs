// A stand-in for the old service: sign-in, the two lists for back ends, and no stream, as after it was closed.

import { createServer } from "node:http";
import { once } from "node:events";
import { atEnd } from "../../lib/scope.mjs";

export const OLD_SERVER_KEY = "5e7f0a6c-server";

/**
 * @param {import("../../lib/scope.mjs").Scope} t
 * @param {{ flags: object[], groups: { servingRules: { clauses: object[] }[] }[] }} environment
 * @returns {Promise<string>} its base URL
 */
export async function startOldService(t, { flags, groups }) {
  const encode = (/** @type {object} */ part) => Buffer.from(JSON.stringify(part)).toString("base64url");
  const claims = { environment: "uuid-of-production", environmentIdentifier: "production", project: "shop", accountID: "a", organization: "o", clusterIdentifier: "2", key_type: "Server" };
  const token = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}.${"c2lnbmVk"}`;
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://x");
    const send = (/** @type {number} */ status, /** @type {unknown} */ body) => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(body));
    };
    let body = "";
    for await (const chunk of request) body += chunk;
    if (pathname === "/api/1.0/client/auth") {
      const known = JSON.parse(body).apiKey === OLD_SERVER_KEY;
      return known ? send(200, { authToken: token }) : send(401, { code: "401", message: "key not found" });
    }
    if (request.headers.authorization !== `Bearer ${token}`) return send(401, { code: "401", message: "no token" });
    const path = pathname.replace("/api/1.0/client/env/uuid-of-production/", "");
    if (path === "feature-configs") return send(200, flags);
    if (path === "target-segments" && searchParams.get("rules") === "v2") return send(200, groups);
    // For clients that know no serving rules, the first condition of each has to do.
    if (path === "target-segments") return send(200, groups.map(({ servingRules, ...group }) => ({ ...group, rules: servingRules.map(({ clauses }) => clauses[0]) })));
    return send(503, { code: "503", message: "closed" });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  atEnd(t, async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });
  return `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}/api/1.0`;
}
