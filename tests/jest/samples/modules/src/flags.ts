// The client of the pages without React: import { initialize } from "@harnessio/ff-javascript-client-sdk";
import { initialize, Event as FlagEvent, type Evaluation, type Options, type Result, type Target } from '@harnessio/ff-javascript-client-sdk'
import type { APIRequestMiddleware, AsyncStorage, CacheOptions, EventCallbackMapping, Logger, VariationFn, VariationValueWithDebug } from '@harnessio/ff-javascript-client-sdk/dist/types';

export { Event } from "@harnessio/ff-javascript-client-sdk";
export type { DefaultVariationEventPayload } from "@harnessio/ff-javascript-client-sdk";
export type Change = import("@harnessio/ff-javascript-client-sdk").Evaluation;

export const HELP = 'Flags come from "@harnessio/ff-javascript-client-sdk"; see import("@harnessio/ff-javascript-client-sdk").';
export const storage: AsyncStorage = { getItem: async () => null, setItem: async () => {}, removeItem: async () => {} };
export const cache: CacheOptions = { ttl: 60_000, storage, deriveKeyFromTargetAttributes: ["plan"] };
export const middleware: APIRequestMiddleware = ([url, init]) => [url, init];
const same = <T>(value: T): T => value; // a type parameter, no element

export function start(target: Target, baseUrl: string, logger?: Logger): Result {
  const options: Options = { baseUrl, eventUrl: baseUrl, cache: true, enableAnalytics: false, ...(logger && { logger }) };
  const client = same(initialize('flagwire-dev-client-key', target, options));
  const changed: EventCallbackMapping[FlagEvent.CHANGED] = ({ flag, value, deleted }: Evaluation) => void [flag, value, deleted];
  client.on(FlagEvent.CHANGED, changed);
  return client;
}

export function detail(variation: VariationFn): VariationValueWithDebug {
  return variation("theme", "none", true) as VariationValueWithDebug;
}

export const lazily = async () => (await import(`@harnessio/ff-javascript-client-sdk`)).Event.READY;
