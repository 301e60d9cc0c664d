// Deliberate faults, each of which some test must catch: `npm run mutations` says how they are tried.
//
// `from` occurs exactly once in its file; `to` takes its place. `by` names the tests that are run on it.

/**
 * @typedef {object} Mutation
 * @property {string} name what the fault does, as a sentence
 * @property {string} file
 * @property {string} from
 * @property {string} to
 * @property {"core" | "evaluation" | "facade" | string[]} by a suite by name, or the arguments of `cargo test`
 * @property {true} [ci] is tried in each run of `npm test`; the others by hand
 */

const STREAM = "crates/core/src/client/stream.rs";
const SNAPSHOT = "crates/core/src/client/snapshot.rs";
const AUTH = "crates/core/src/client/auth.rs";
const METRICS = "crates/core/src/client/metrics.rs";
const TABS = "crates/core/src/client/tabs.rs";
const PAGE = "crates/core/src/client/page.rs";
const CODEC = "crates/core/src/serde_codec.rs";
const SYNCHRONISER = "crates/core/src/synchroniser.rs";
const SYNC_FETCH = "crates/core/src/synchroniser/fetch.rs";
const SYNC_STREAM = "crates/core/src/synchroniser/stream.rs";
const ENVIRONMENT = "crates/core/src/serde_environment.rs";
const EVALUATE = "crates/evaluation/src/evaluate.rs";
const GROUPS = "crates/evaluation/src/evaluate/groups.rs";
const VALUES = "pkg-template/src/values.ts";
const WIRE = "pkg-template/src/wire.ts";
const ACCESS = "crates/server/src/routes/access.rs";
const SERVER = ["-p", "flagwire-server", "--test", "protocol", "--test", "security"];
const SSE = "pkg-template/src/sse.ts";
const CACHE = "pkg-template/src/cache.ts";
const TABS_TS = "pkg-template/src/tabs.ts";
const OPTIONS = "pkg-template/src/options.ts";
const EVENTS = "pkg-template/src/events.ts";

/** @type {Mutation[]} */
export const mutations = [
  // ---- the core: the stream ----
  { name: "A stream that opens fetches nothing.", file: STREAM, by: "core", from: "requested together with the stream.\n        self.fetch_all(now);", to: "requested together with the stream." },
  { name: "A stream that is refused with 401 does not sign in again.", file: STREAM, by: "core", from: "if status == 401 {", to: "if status == 499 {" },
  {
    name: "A stream that is refused with 401 for ever is opened and signed in for again without end.",
    file: STREAM,
    by: "core",
    from: "core::mem::replace(&mut self.streaming.signed_in_again, true)",
    to: "core::mem::replace(&mut self.streaming.signed_in_again, false)",
  },
  { name: "The backoff of streams never starts over.", file: STREAM, by: "core", from: "self.streaming.backoff.reset();", to: "" },
  { name: "A delay that the stream asked for is forgotten.", file: STREAM, by: "core", from: "let least = retry_after.or(self.streaming.retry);", to: "let least = retry_after;" },
  { name: "A changed target group is not fetched.", file: STREAM, by: "core", from: "(Domain::TargetSegment, _, _) => self.fetch_all(now),", to: "(Domain::TargetSegment, _, _) => {}" },
  { name: "What a malformed event may have told of is not fetched.", file: STREAM, by: "core", from: "return self.fetch_all(now);\n            }\n        };", to: "return;\n            }\n        };" },
  { name: "A heartbeat in mid-stream that says the stream was opened again is not acted on.", file: STREAM, by: "core", from: "&& data != HEARTBEAT_DATA;", to: "&& data == HEARTBEAT_DATA;" },
  { name: "After a native stream that failed, the next is native again.", file: STREAM, by: "core", from: "State::Opening { native, .. } => self.streaming.native_failed = native,", to: "State::Opening { .. } => {}" },
  {
    name: "Silence on a stream is noticed only when it opens.",
    file: STREAM,
    by: "core",
    from: "fn stream_silent(&mut self, now: Instant) {",
    to: "fn stream_silent(&mut self, now: Instant) {\n        if let State::Open { .. } = self.streaming.state {\n            return;\n        }",
  },
  { name: "Polling does not stop when the stream is back.", file: STREAM, by: "core", from: "            self.emit(Event::Connected);\n        }\n        self.stop_polling();", to: "            self.emit(Event::Connected);\n        }" },
  { name: "All clients of an outage poll in step.", file: STREAM, by: "core", from: "self.random.below(tenth.saturating_mul(2))", to: "tenth" },
  { name: "A deleted flag stays.", file: STREAM, by: "core", from: "self.forget_flag(now, &event.identifier, moment);", to: "let _ = moment;" },
  // ---- the core: the synchroniser ----
  { name: "A configuration with an older version overwrites a newer one.", file: ENVIRONMENT, by: "core", from: "if is_older && !trusted {", to: "if is_older && trusted {" },
  { name: "A list that was asked for before a deletion brings the deleted flag back.", file: ENVIRONMENT, by: "core", from: "behind |= entries.remove(identifier).is_some();", to: "behind |= entries.contains_key(identifier);" },
  { name: "A server whose count of versions started over is never believed.", file: SYNC_FETCH, by: "core", from: "let trusted = self.part(domain).behind >= MAX_TRIES;", to: "let trusted = false;" },
  { name: "Announced deletions are remembered without a bound.", file: SYNC_FETCH, by: "core", from: "if part.gone.len() >= MAX_EXPECTED {", to: "if part.gone.len() >= usize::MAX {" },
  { name: "A stream that opens shortens a wait that the server asked for.", file: SYNC_FETCH, by: "core", from: "if !self.told_to_wait {", to: "if self.session {" },
  {
    name: "An announced version that the reply lacks is not asked for again.",
    file: SYNC_FETCH,
    by: "core",
    from: "} else if behind {\n            self.fetch_later(now, domain);",
    to: "} else if behind && self.told_to_wait {\n            self.fetch_later(now, domain);",
  },
  { name: "A token that is always refused is replaced without end.", file: SYNCHRONISER, by: "core", from: "core::mem::replace(&mut self.signed_in_again, true)", to: "core::mem::replace(&mut self.signed_in_again, false)" },
  { name: "All servers of an outage poll in step.", file: SYNCHRONISER, by: "core", from: "self.random.below(tenth.saturating_mul(2))", to: "tenth" },
  { name: "A stream of an environment that opens fetches nothing.", file: SYNC_STREAM, by: "core", from: "            self.fetch_at_once(now);", to: "" },
  { name: "Nothing is fetched while a silent stream is open.", file: SYNC_STREAM, by: "core", from: "            self.config.safety_interval\n", to: "            None\n" },

  // ---- the core: fetches and their order ----
  { name: "A created flag is fetched before caches can know it.", file: SNAPSHOT, by: "core", from: "} else if created {\n            let due", to: "} else if created && false {\n            let due" },
  { name: "A flag that changes during its fetch is not fetched again.", file: SNAPSHOT, by: "core", from: "single.stage = Stage::Again(id);", to: "let _ = id;" },
  {
    name: "An old reply of a single flag overwrites newer values.",
    file: SNAPSHOT,
    by: "core",
    from: "if self.order.is_news(asked) {\n                    self.merge(now, evaluation, asked);",
    to: "{\n                    let asked = self.order.next();\n                    self.merge(now, evaluation, asked);",
  },
  { name: "A flag that the server no longer knows stays.", file: SNAPSHOT, by: "core", from: "(None, Some(Cause::Status(404))) =>", to: "(None, Some(Cause::Status(499))) =>" },
  { name: "A 304 that nobody asked for is believed.", file: SNAPSHOT, by: "core", from: "if !self.snapshots.conditional {", to: "if false {" },
  { name: "The tag is kept though single values changed since.", file: SNAPSHOT, by: "core", from: "self.order.know(as_of);\n        self.snapshots.etag = None;", to: "self.order.know(as_of);" },
  {
    name: "A failed fetch is not tried again.",
    file: SNAPSHOT,
    by: "core",
    from: "self.timers.set(Timer::Snapshot, now.after(delay));\n                self.report(ErrorKind::FetchFlags, cause);",
    to: "let _ = delay;\n                self.report(ErrorKind::FetchFlags, cause);",
  },
  { name: "An older list overwrites a newer one.", file: "crates/core/src/order.rs", by: "core", from: "moment > self.floor", to: "moment > self.floor || true" },
  { name: "The tag of another target is used.", file: SNAPSHOT, by: "core", from: "self.asked_at = None;\n        self.etag = None;", to: "self.asked_at = None;" },
  // ---- the core: signing in, metrics, pages, tabs ----
  { name: "A refused key is tried again.", file: AUTH, by: "core", from: "if cause.is_retryable() {\n            self.sign_in_failed", to: "if true {\n            self.sign_in_failed" },
  { name: "Retry-After is ignored while signing in.", file: AUTH, by: "core", from: "let delay = backoff.fail(&mut self.random, retry_after);", to: "let _ = retry_after;\n        let delay = backoff.fail(&mut self.random, None);" },
  { name: "An outage of signing in is told at each attempt.", file: AUTH, by: "core", from: "let first = backoff.attempts() == 0;", to: "let first = true;" },
  { name: "Counts of a post that failed are dropped.", file: METRICS, by: "core", from: "self.codec.settle_counts(cause.is_retryable());", to: "self.codec.settle_counts(false);" },
  { name: "Counts that the server calls malformed are posted for ever.", file: METRICS, by: "core", from: "self.codec.settle_counts(cause.is_retryable());", to: "self.codec.settle_counts(true);" },
  { name: "What does not fit into one body waits a minute.", file: METRICS, by: "core", from: "self.post_metrics(now); // what did not fit into one body", to: "" },
  { name: "A page that is left posts nothing.", file: PAGE, by: "core", from: "PageEvent::Left => {\n                self.flush(now);", to: "PageEvent::Left => {" },
  { name: "A page that is hidden posts nothing.", file: PAGE, by: "core", from: "self.flush(now);\n                if let Some(delay)", to: "if let Some(delay)" },
  { name: "A stream stays open in a page that is left.", file: PAGE, by: "core", from: "self.pause(Why::Hidden);", to: "" },
  { name: "A silent leader is waited for without end.", file: TABS, by: "core", from: "self.tell_driver(TabOutput::Steal);", to: "" },
  { name: "A leader that has closed its stream does not leave the group.", file: STREAM, by: "core", from: "self.leave_tabs(); // another tab may fare better", to: "" },
  { name: "A follower does not fetch what it missed when the leader's stream opens.", file: TABS, by: "core", from: "self.timers.set(Timer::Snapshot, now.after(delay));", to: "let _ = delay;" },
  { name: "The backoff has no jitter.", file: "crates/core/src/backoff.rs", by: "core", from: "Millis(random.below(ceiling).max(least))", to: "{\n            random.below(ceiling);\n            Millis(ceiling.max(least))\n        }" },
  { name: "Retry-After may be a year.", file: "crates/core/src/backoff.rs", by: "core", from: "asked.0.clamp(MIN_DELAY.0, MAX_RETRY_AFTER.0)", to: "asked.0.max(MIN_DELAY.0)" },
  // ---- the codec of Rust ----
  { name: "A change of kind alone is not told.", file: CODEC, by: "core", from: "old.kind.eq_ignore_ascii_case(&evaluation.kind)", to: "true" },
  { name: "Lists are asked for by way of the platform's cache.", file: "crates/core/src/http.rs", by: "core", from: "past_cache: matches!(ask, Ask::All(_)),", to: "past_cache: false," },
  // ---- the package's TypeScript ----
  { name: "A change of kind alone is not told, in the package.", file: VALUES, by: "facade", ci: true, from: "if (type !== held.evaluation_.kind.toLowerCase()) return false;", to: "" },
  { name: "An older list removes what is newer.", file: VALUES, by: "facade", ci: true, from: "if (slot.asOf_ < asOf) this.#drop(flag, slot, changes);", to: "this.#drop(flag, slot, changes);" },
  { name: "Reads of an earlier target count for the next.", file: VALUES, by: "facade", from: "for (const slot of this.slots_.values()) this.#retire(slot);\n    this.target_ = target;", to: "this.target_ = target;" },
  { name: "A removed flag comes back with an older answer.", file: VALUES, by: "facade", from: "this.#gone.set(flag, asOf);", to: "" },
  { name: "A body of counts may be of any size.", file: VALUES, by: "facade", from: "if (bytes > MAX_METRICS_BYTES && entries.length) break;", to: "" },
  { name: "Values of JSON are not frozen.", file: VALUES, by: "facade", from: "Object.freeze(inner)", to: "inner" },
  { name: "Lists are asked for by way of the browser's cache.", file: WIRE, by: "facade", ci: true, from: '{ headers, cache: "no-store" }', to: "{ headers }" },
  { name: "The cluster of a token is not named.", file: WIRE, by: "facade", from: 'text(claims["clusterIdentifier"]) || "1"', to: '"1"' },
  { name: "A carriage return at the end of a piece doubles the line.", file: SSE, by: "facade", ci: true, from: 'afterReturn = text.endsWith("\\r");', to: "afterReturn = false;" },
  { name: "An event may take all memory.", file: SSE, by: "facade", from: "if (line.length + data.length > MAX_EVENT_LENGTH)", to: "if (false)" },
  { name: "What is older than its time is read.", file: CACHE, by: "facade", from: "if (ttl && Date.now() - Number(savedAt) > ttl) {", to: "if (false) {" },
  { name: "What is older than its time stays.", file: CACHE, by: "facade", from: "      storage!.removeItem(key);\n", to: "" },
  { name: "All targets have one place.", file: CACHE, by: "facade", from: "hash(baseUrl, apiKey, target.identifier)", to: "hash(baseUrl, apiKey)" },
  { name: "Where localStorage is forbidden nothing is kept.", file: CACHE, by: "facade", from: "      // the next one", to: "      return undefined;" },
  { name: "Values are written in any order.", file: CACHE, by: "facade", from: "JSON.stringify(sorted(list))", to: "JSON.stringify(list)" },
  { name: "A storage that answers later is not waited for.", file: CACHE, by: "facade", from: 'if (typeof text === "object" && text) return', to: "if (false) return" },
  { name: "A tab that has left leads all the same.", file: TABS_TS, by: "facade", from: "if (this.#left) return release();", to: "" },
  { name: "A tab that leaves keeps the lock.", file: TABS_TS, by: "facade", from: "    this.#release?.();\n    attempt(", to: "    attempt(" },
  { name: "A tab that has left hears on.", file: TABS_TS, by: "facade", from: "if (!this.#left) this.#hear(input, text);", to: "this.#hear(input, text);" },
  { name: "Who lost its lock does not wait for it.", file: TABS_TS, by: "facade", from: "      this.#tell(Input.LOST);\n      void this.lead_(false);", to: "      this.#tell(Input.LOST);" },
  { name: "A tab without locks hears the others.", file: TABS_TS, by: "facade", from: "      attempt(() => this.#channel?.close());\n      this.#channel = undefined;\n      this.#tell(", to: "      this.#tell(" },
  { name: "Messages of others are taken for the group's.", file: TABS_TS, by: "facade", from: "if (Array.isArray(data)) ", to: "" },
  { name: "A sign-in is sent again although it is under way.", file: WIRE, by: "facade", from: "if (body === init.body) {", to: "if (false) {" },
  { name: "An early sign-in of another target is taken for this one's.", file: WIRE, by: "facade", from: "if (body === init.body) {", to: "if (true) {" },
  { name: "An earlier core's replies are the next one's.", file: WIRE, by: "facade", from: "    if (life !== this.#life) return;\n", to: "" },
  { name: "A request that has no use any more goes on.", file: WIRE, by: "facade", from: "init.signal = abort?.signal;", to: "" },
  { name: "Posts of a page that is left end with it.", file: WIRE, by: "facade", from: "init.keepalive = keepalive;", to: "init.keepalive = false;" },
  {
    name: "Middleware does not see streams.",
    file: WIRE,
    by: "facade",
    from: "const response = await this.#fetch(id, request as Prepared);\n      const { status, headers } = response;\n      this.words_",
    to: "const response = await fetch(...(request as Prepared));\n      const { status, headers } = response;\n      this.words_",
  },
  { name: "What the server says of an error is not kept.", file: WIRE, by: "facade", from: "this.words_ = words;", to: "" },
  { name: "Comments of a stream are no sign of life.", file: WIRE, by: "facade", from: "read(part.value)) hear(Input.HEARTBEAT, ALIVE, id);", to: "read(part.value));" },
  { name: "A heartbeat is an event.", file: WIRE, by: "facade", from: "(kind, data) => kind !== HEARTBEAT && hear(", to: "(_, data) => hear(" },
  { name: "The key is sent with every request.", file: WIRE, by: "facade", from: 'const all = { ...this.#headers, "Harness-Target"', to: 'const all = { ...this.#headers, "API-Key": this.#apiKey, "Harness-Target"' },
  { name: "Half of an address is enough for a native stream.", file: WIRE, by: "facade", from: "/^http/.test(this.#streamUrl) ? this.#streamUrl : base", to: '/^http/.test(this.#streamUrl) ? this.#streamUrl : ""' },
  { name: "An option of a wrong type is taken.", file: OPTIONS, by: "facade", from: "if (typeof value === typeof fallback && value === value) return value;", to: "return value;" },
  { name: "A number that is none is taken.", file: OPTIONS, by: "facade", from: " && value === value) return", to: ") return" },
  { name: "A logger that throws ends what was logged of.", file: OPTIONS, by: "facade", from: "    } catch {\n      // The message is lost, as it would be without a console.\n    }", to: "    } finally {\n    }" },
  {
    name: "Two options have changed places.",
    file: OPTIONS,
    by: "facade",
    from: '      +pick("pollingEnabled", true),\n      pick("pollingInterval", MIN_INTERVAL),',
    to: '      pick("pollingInterval", MIN_INTERVAL),\n      +pick("pollingEnabled", true),',
  },
  { name: "Counts go to Harness though the flags are from elsewhere.", file: OPTIONS, by: "facade", from: "options.baseUrl == null ? HARNESS_EVENTS : baseUrl", to: "HARNESS_EVENTS" },
  { name: "A listener that throws stops the others.", file: EVENTS, by: "facade", from: "        this.#report(error);", to: "        throw error;" },
  { name: "A listener is called though it was removed meanwhile.", file: EVENTS, by: "facade", from: "      if (!this.#lists.get(name)?.has(listener)) continue;\n", to: "" },
  { name: "A listener that is added meanwhile is called.", file: EVENTS, by: "facade", from: "of [...(this.#lists.get(name) ?? [])]) {", to: "of this.#lists.get(name) ?? []) {" },
  // ---- evaluation ----
  { name: "A target at the edge of a share gets the next one.", file: EVALUATE, by: "evaluation", from: "i64::from(bucket) <= *total", to: "i64::from(bucket) < *total" },
  { name: "One clause of several is enough.", file: EVALUATE, by: "evaluation", from: "all &= matched;", to: "all |= matched;" },
  { name: "A rule without clauses holds for everybody.", file: EVALUATE, by: "evaluation", from: "let mut all = !tests.is_empty();", to: "let mut all = true;" },
  { name: "Who is excluded from a group belongs to it by a rule.", file: GROUPS, by: "evaluation", from: "Some(Membership::Excluded)\n        } else if", to: "None\n        } else if" },
  { name: "A group that excludes the target does not end the search.", file: GROUPS, by: "evaluation", from: "Membership::Excluded => return false,", to: "Membership::Excluded => {}" },
  { name: "An empty text is an attribute.", file: "crates/evaluation/src/text.rs", by: "evaluation", from: "Value::String(text) if text.is_empty() => None,\n", to: "" },
  // ---- the server ----
  { name: "A token of one environment reads another's flags.", file: ACCESS, by: SERVER, from: "if environment != self.environment.name() {", to: "if false {" },
  { name: "A client key reads rules.", file: ACCESS, by: SERVER, from: "Some(kind) if kind != self.kind =>", to: "Some(kind) if false && kind != self.kind =>" },
  {
    name: "The admin page's guard lets everybody in.",
    file: "crates/server/src/routes/admin/mod.rs",
    by: ["-p", "flagwire-server", "--test", "admin", "--test", "security"],
    from: "let user = guard::guard(&parts.headers, from, state);",
    to: "let user = guard::guard(&parts.headers, from, state).or_else(|_| Ok::<_, ApiError>(AdminUser::local()));",
  },
  {
    name: "A token that may only read edits.",
    file: "crates/server/src/routes/admin/mod.rs",
    by: ["-p", "flagwire-server", "--test", "admin_tokens"],
    from: "if reads || user.may == Permission::Edit {",
    to: "if reads || true || user.may == Permission::Edit {",
  },
];
