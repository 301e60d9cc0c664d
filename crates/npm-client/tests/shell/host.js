// What the facade is to the module, with a wire whose other end is the test, and a record of what is reported. Numbers come from
// `crates/npm-client/src/border.rs`, by way of the test, and are recorded by their names.

/** Everything around one client. */
export class World {
  /** @param border the names of each enum of `border.rs`, by number */
  constructor(border) {
    this.border = border;
    this.told = [];
    this.asked = [];
    this.delay = -1;
    this.onEmit = () => {};
    const tell = (this.tell = (text) => {
      this.told.push(text);
    });
    this.host = {
      emit_: (event, number) => {
        tell(`emit ${border.Emitted[event]} ${number}`);
        this.onEmit(border.Emitted[event]);
      },
      fail_: (kind, cause, final) => tell(`fail ${border.ErrorKind[kind]} ${cause} ${final}`),
      join_: () => {},
      tabs_: () => {},
      arm_: (delay) => (this.delay = delay),
    };
    this.wire = {
      group_: () => undefined,
      request_: (ask, text) => {
        if (text !== undefined) tell(`name ${text}`);
        return { ask: border.Ask[ask] };
      },
      signIn_: (reply) => border.SignIn.indexOf(reply.authToken ? "Token" : "Unreadable"),
      changeEvent_: (data) => {
        tell(`event ${new TextDecoder().decode(data)}`);
        return { code_: border.ChangeCode.indexOf("Unknown") };
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
    const options = { Streaming: 1, Transport: this.border.StreamTransport.indexOf("Fetch"), MaxStreamRetries: Infinity, Polling: 1, PollingInterval: 60_000, MetricsInterval: 60_000, SignInTimeout: 30_000 };
    return this.border.OptionPlace.map((name) => options[name] ?? 0);
  }

  start(call) {
    this.call = call;
    this.#tell("Start");
  }

  close() {
    this.#tell("Close");
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
    this.call?.(this.border.Input.indexOf(input), detail, id, status, retryAfterMs, etag);
  }

  #take(ask) {
    const index = this.asked.findIndex((one) => one.ask === ask);
    if (index < 0) throw new Error(`nothing asked for ${ask}`);
    return this.asked.splice(index, 1)[0].id;
  }

  /** `retryAfterMs` is NaN for none, `body` undefined for what is no JSON, `etag` null for none. */
  answer(ask, status, body, retryAfterMs, etag) {
    this.#tell("Reply", this.#take(ask), { status, retryAfterMs, detail: body, etag });
  }

  fail(ask) {
    this.#tell("Failure", this.#take(ask));
  }

  /** Answers with a stream; `push` and `end` are its other end. */
  stream(ask) {
    this.streaming = this.#take(ask);
    this.#tell("Opened", this.streaming, { status: 200 });
  }

  /** The data of an event. */
  push(data) {
    const bytes = new TextEncoder().encode(data);
    this.#tell("Event", this.streaming, { detail: bytes, status: bytes.length });
  }

  retry(delayMs) {
    this.#tell("Retry", this.streaming, { status: delayMs });
  }

  end() {
    this.#tell("Ended", this.streaming);
  }
}
