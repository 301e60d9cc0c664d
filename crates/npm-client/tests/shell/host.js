// What the facade is to the shell, with a wire whose other end is the test, and a record of what is reported. The numbers are those
// of `pkg-template/src/core.ts`.

const [CLOSE, FAILURE, REPLY, OPENED, RETRY, EVENT, ENDED, START] = [1, 13, 14, 16, 17, 18, 20, 21];

/** Everything around one client. */
export class World {
  constructor() {
    this.told = [];
    this.asked = [];
    this.delay = -1;
    this.onEmit = () => {};
    const tell = (this.tell = (text) => {
      this.told.push(text);
    });
    this.host = {
      emit_: (event, number) => {
        tell(`emit ${event} ${number}`);
        this.onEmit(event);
      },
      fail_: (kind, cause, final) => tell(`fail ${kind} ${cause} ${final}`),
      join_: () => {},
      tabs_: () => {},
      arm_: (delay) => (this.delay = delay),
    };
    this.wire = {
      group_: () => undefined,
      request_: (ask, text) => {
        if (text !== undefined) tell(`name ${text}`);
        return { ask };
      },
      signIn_: (reply) => (reply.authToken ? 1 : 0),
      changeEvent_: (data) => {
        tell(`event ${new TextDecoder().decode(data)}`);
        return { code_: 1 };
      },
      evaluations_: (reply) => (Array.isArray(reply) ? reply : undefined),
      save_: () => ({}),
      takeCounts_: () => undefined,
      send_: (id, { ask }) => this.#ask(id, ask),
      open_: (id, { ask }) => this.#ask(id, ask),
      end_: (id) => tell(`end ${id}`),
    };
    this.values = { replace_: (list) => (list.length ? list : undefined), merge_: () => undefined, remove_: () => undefined, settle_() {}, setTarget_() {}, settleCounts_() {} };
  }

  /** Streaming by fetch and polling; nothing kept, counted or shared. */
  numbers() {
    return [1, 2, Infinity, 1, 60_000, 0, 60_000, 30_000, 0, 0, 0, 0];
  }

  start(call) {
    this.call = call;
    this.#tell(START);
  }

  close() {
    this.#tell(CLOSE);
  }

  /** Closes the client in the midst of telling of that event. */
  closeOn(event) {
    this.onEmit = (told) => told === event && this.close();
  }

  has(text) {
    return this.told.includes(text);
  }

  all() {
    return this.told.join("\n");
  }

  #ask(id, ask) {
    this.asked.push({ id, ask });
    this.tell(`ask ${ask}`);
  }

  /** Tells the core, once it is there. */
  #tell(input, id = 0, { status = 0, retryAfterMs = NaN, detail, etag } = {}) {
    this.call?.(input, id, status, retryAfterMs, detail, etag);
  }

  #take(ask) {
    const index = this.asked.findIndex((one) => one.ask === ask);
    if (index < 0) throw new Error(`nothing asked for ${ask}`);
    return this.asked.splice(index, 1)[0].id;
  }

  /** `retryAfterMs` is NaN for none, `body` undefined for what is no JSON, `etag` null for none. */
  answer(ask, status, body, retryAfterMs, etag) {
    this.#tell(REPLY, this.#take(ask), { status, retryAfterMs, detail: body, etag });
  }

  fail(ask) {
    this.#tell(FAILURE, this.#take(ask));
  }

  /** Answers with a stream; `push` and `end` are its other end. */
  stream(ask) {
    this.streaming = this.#take(ask);
    this.#tell(OPENED, this.streaming, { status: 200 });
  }

  /** The data of an event. */
  push(data) {
    const bytes = new TextEncoder().encode(data);
    this.#tell(EVENT, this.streaming, { detail: bytes, status: bytes.length });
  }

  retry(delayMs) {
    this.#tell(RETRY, this.streaming, { status: delayMs });
  }

  end() {
    this.#tell(ENDED, this.streaming);
  }
}
