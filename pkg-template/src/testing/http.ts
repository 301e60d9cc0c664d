// The protocol server of a worker of Playwright: a port of its own on 127.0.0.1, and the flags of the test that runs.

import { createServer, type Request, type Response } from "node:http";
import { CORS, HEARTBEAT, HEARTBEAT_MS, PageFlags } from "./protocol";

/** A server whose flags are those of the test that runs. */
export interface FlagServer {
  readonly url: string;
  /** Serves other flags from now on. Streams of the last test end. */
  serve(flags: PageFlags): void;
  close(): Promise<void>;
}

export async function startServer(): Promise<FlagServer> {
  let flags = new PageFlags({});
  const streams = new Set<Response>();
  const end = () => streams.forEach((stream) => stream.end());

  const answer = (request: Request, response: Response, body: string) => {
    const reply = flags.answer(request.method ?? "", request.url ?? "", body) ?? { status: 404, headers: CORS, body: "" };
    response.writeHead(reply.status, reply.headers);
    if (reply.body !== undefined) return void response.end(reply.body);
    const stop = flags.listen((events) => response.write(events));
    const timer = setInterval(() => response.write(HEARTBEAT), HEARTBEAT_MS);
    streams.add(response);
    response.write(HEARTBEAT);
    response.on("close", () => {
      stop();
      clearInterval(timer);
      streams.delete(response);
    });
  };

  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (part) => (body += part));
    request.on("end", () => answer(request, response, body));
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    serve(next) {
      flags = next;
      end();
    },
    close() {
      end();
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
