// What the facade is to the shell, with requests that the test answers and a record of what is told. The numbers are those of
// `pkg-template/src/core.ts`.

const WAKE = 64;

/** Everything around one client. */
export class World {
  constructor() {
    this.told = [];
    this.asked = [];
    this.delay = -1;
    this.watchers = [];
    this.onEmit = () => {};
    const tell = (text) => {
      this.told.push(text);
      for (const watch of [...this.watchers]) watch();
    };
    this.host = {
      emit_: (event, number) => {
        tell(`emit ${event} ${number}`);
        this.onEmit(event);
      },
      fail_: (kind, code, message, status, final) => tell(`fail ${kind} ${code} ${status} ${final}`),
      tabs_: () => {},
      wake_: (task) => queueMicrotask(() => this.client?.call(WAKE + task)),
      arm_: (delay) => (this.delay = delay),
    };
    this.wire = {
      group_: () => "",
      request_: (ask, text) => ({ ask, text }),
      signIn_: (reply) => (reply.authToken ? 1 : 0),
      changeEvent_: (data) => {
        tell(`event ${new TextDecoder().decode(data)}`);
        return { code_: 1 };
      },
      evaluations_: (reply) => (Array.isArray(reply) ? reply : undefined),
      save_: () => ({}),
      takeCounts_: () => undefined,
      retryAfter_: (header) => Number(header) * 1000,
      fetch_: (id, { ask }) => new Promise((resolve, reject) => {
        this.asked.push({ id, ask, resolve, reject });
        tell(`ask ${ask}`);
      }),
      end_: (id) => tell(`end ${id}`),
    };
    this.values = { replace_: (list) => (list.length ? list : undefined), merge_: () => undefined, remove_: () => undefined, settle_() {}, setTarget_() {}, settleCounts_() {} };
  }

  /** Streaming by fetch and polling; nothing kept, counted or shared. */
  numbers() {
    return [1, 2, Infinity, 1, 60_000, 0, 60_000, 30_000, 0, 0, 0, 0];
  }

  setClient(client) {
    this.client = client;
  }

  close() {
    this.client.call(1, undefined);
  }

  /** Closes the client in the midst of telling of that event. */
  closeOn(event) {
    this.onEmit = (told) => told === event && this.close();
  }

  free() {
    const { client } = this;
    this.client = undefined;
    client.free();
  }

  /** Resolves once so many things were told that begin so. */
  until(start, times) {
    return new Promise((resolve) => {
      const watch = () => {
        if (this.told.filter((text) => text.startsWith(start)).length < times) return;
        this.watchers = this.watchers.filter((other) => other !== watch);
        resolve();
      };
      this.watchers.push(watch);
      watch();
    });
  }

  /** Resolves when everything that waits for a microtask has had its turn, and timers and messages one besides. */
  settled() {
    return new Promise((resolve) => setTimeout(resolve));
  }

  has(text) {
    return this.told.includes(text);
  }

  all() {
    return this.told.join("\n");
  }

  #take(ask) {
    const index = this.asked.findIndex((one) => one.ask === ask);
    if (index < 0) throw new Error(`nothing asked for ${ask}`);
    return this.asked.splice(index, 1)[0];
  }

  answer(ask, status, body, headers) {
    this.#take(ask).resolve(new Response(body, { status, headers: JSON.parse(headers) }));
  }

  reject(ask, error) {
    this.#take(ask).reject(error);
  }

  /** Answers with a stream; `push` and `end` are its other end. */
  stream(ask) {
    const body = new ReadableStream({ start: (controller) => (this.controller = controller) });
    this.#take(ask).resolve(new Response(body, { headers: { "content-type": "text/event-stream" } }));
  }

  push(text) {
    this.controller.enqueue(new TextEncoder().encode(text));
  }

  end() {
    this.controller.close();
  }

  breakOff() {
    this.controller.error("not an Error");
  }
}
