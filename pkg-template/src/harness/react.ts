"use client"; // Next renders what imports this in the browser as well.

/**
 * For code written against `@harnessio/ff-react-client-sdk` 2.4: the same exports and behaviour, on `flagwire/harness`, and
 * `TestWrapper`, which the published package keeps in its `dist` folder.
 *
 * Kept: what is rendered and when, what the client is asked, which props make a new client. Not kept, being defects:
 * `initialEvaluations` that are written in place made a new client whenever the provider's parent rendered; `onError` and
 * `onFlagNotFound` stayed those of the render that made the client; a `TestWrapper` answered the reads below other ones, and worked in
 * Jest alone.
 *
 * @packageDocumentation
 */

import { createContext, createElement, useContext, useEffect, useMemo, useRef, useState, type ComponentType, type FC, type PropsWithChildren, type ReactElement, type ReactNode } from "react";
import { Event, initialize, type DefaultVariationEventPayload, type Evaluation, type EventCallbackMapping, type Options, type Result, type Target } from "../harness";
import { record } from "../record";

export { Event };

/** What the provider gives to the components inside. */
export interface FFContextValue {
  /** There are no values yet, and nothing has failed for good. */
  loading: boolean;
  // As published: code that reads a value without a check of its type compiles.
  flags: Record<string, any>;
  /** Missing before the provider's first effect, and while rendering on a server. */
  client?: Result;
}

export const FFContext = createContext<FFContextValue>({} as FFContextValue);

/** The events of failed requests and of the stream. */
export type NetworkError = Event.ERROR_AUTH | Event.ERROR_STREAM | Event.ERROR_FETCH_FLAG | Event.ERROR_FETCH_FLAGS | Event.ERROR_METRICS;

const NETWORK_ERRORS: readonly NetworkError[] = [Event.ERROR_AUTH, Event.ERROR_STREAM, Event.ERROR_FETCH_FLAG, Event.ERROR_FETCH_FLAGS, Event.ERROR_METRICS];

/**
 * What {@link FFContextProvider} takes. Another `apiKey`, `target` or `initialEvaluations` makes another client, and so does another
 * `baseUrl`, `eventUrl`, `streamEnabled`, `pollingEnabled` or `enableAnalytics` among the options. Other options are read when a
 * client is made.
 */
export interface FFContextProviderProps extends PropsWithChildren<unknown> {
  apiKey: string;
  target: Target;
  options?: Options;
  /**
   * What is shown while there are no values.
   * @default <p>Loading...</p>
   */
  fallback?: ReactNode;
  /**
   * Render the children while there are no values: reads give their defaults.
   * @default false
   */
  asyncMode?: boolean;
  /** Values to start with until the server answers. */
  initialEvaluations?: Evaluation[];
  /** Is called with the event and the error; with `PropsError` where `apiKey` or `target` is missing. */
  onError?: (event: NetworkError | "PropsError", error?: unknown) => void;
  /** Is called when a read gives its default; `loading` where that is because there are no values yet. */
  onFlagNotFound?: (flagNotFound: DefaultVariationEventPayload, loading: boolean) => void;
}

/** Makes a client and gives it, and its values, to the components inside. Closes it when it unmounts. */
export const FFContextProvider: FC<FFContextProviderProps> = (props) => {
  const { children, apiKey, target, options, fallback = createElement("p", null, "Loading..."), asyncMode = false, initialEvaluations } = props;
  const [loading, setLoading] = useState(true);
  const [flags, setFlags] = useState<FFContextValue["flags"]>({});
  const [client, setClient] = useState<Result>();
  const latest = useRef(props);
  useEffect(() => void (latest.current = props));

  const missing = (prop: string): void => {
    const message = `${prop} prop is required`;
    console.error(`[FF-SDK] ${message}`);
    latest.current.onError?.("PropsError", { message });
  };
  useEffect(() => {
    if (!apiKey) missing("apiKey");
  }, [apiKey]);
  useEffect(() => {
    if (!target?.identifier) missing("target");
  }, [target?.identifier]);

  useEffect(() => {
    if (!apiKey || !target?.identifier) return;
    const made = initialize(apiKey, target, options ?? {});
    // The client stays usable by whoever kept it: what is read there after this is not this provider's to report.
    const ends: (() => void)[] = [];
    const listen = <K extends Event>(event: K, listener: EventCallbackMapping[K]): void => {
      made.on(event, listener);
      ends.push(() => made.off(event, listener));
    };
    // State would be too late: reads while rendering give defaults before an update of it is rendered.
    let waiting = true;
    const loaded = (): void => setLoading(waiting = false);
    setLoading(true);
    setClient(made);
    listen(Event.READY, (values) => {
      loaded();
      setFlags(values);
      // What the values above have in them need not be rendered twice.
      listen(Event.CHANGED, ({ flag, value, deleted }) => setFlags((current) => record(deleted ? Object.entries(current).filter(([name]) => name !== flag) : [...Object.entries(current), [flag, value]])));
    });
    for (const event of NETWORK_ERRORS) {
      listen(event, (error: unknown) => {
        if (event === Event.ERROR_AUTH) loaded();
        latest.current.onError?.(event, error);
      });
    }
    listen(Event.ERROR_DEFAULT_VARIATION_RETURNED, ({ flag, defaultVariation }) => latest.current.onFlagNotFound?.({ flag, defaultVariation }, waiting));
    if (initialEvaluations) made.setEvaluations(initialEvaluations);
    return () => {
      for (const end of ends) end();
      made.close();
    };
  }, [
    apiKey,
    JSON.stringify(target),
    JSON.stringify(initialEvaluations),
    String(options?.baseUrl),
    String(options?.eventUrl),
    options?.streamEnabled,
    options?.pollingEnabled,
    options?.enableAnalytics,
  ]);

  const value = useMemo(() => ({ loading, flags, client }) as FFContextValue, [loading, flags, client]);
  return createElement(FFContext.Provider, { value }, loading && !asyncMode ? fallback : children);
};
FFContextProvider.displayName = "FFContextProvider";

/** The value of a flag, or `defaultValue` where there is none. Renders again when any flag changes. */
export const useFeatureFlag = (flagIdentifier: string, defaultValue?: any): any => {
  const { client } = useContext(FFContext);
  return client ? client.variation(flagIdentifier, defaultValue) : defaultValue;
};

/** The values of all flags, of those named, or of the keys of an object whose values are the defaults. Empty before there is a client. */
export function useFeatureFlags(flagIdentifiers?: Record<string, any> | string[]): Record<string, any> {
  const { client, flags } = useContext(FFContext);
  return useMemo(() => {
    if (!client) return {};
    const wanted = Array.isArray(flagIdentifiers)
      ? flagIdentifiers.map((flag) => [flag, undefined] as const)
      : flagIdentifiers
      ? Object.entries(flagIdentifiers)
      : Object.keys(flags).map((flag) => [flag, undefined] as const);
    return record(wanted.map(([flag, defaultValue]) => [flag, client.variation(flag, defaultValue)]));
  }, [flags, client, JSON.stringify(flagIdentifiers)]);
}

/** Whether there are no values yet. */
export const useFeatureFlagsLoading = (): boolean => useContext(FFContext).loading;

/** The client, as `flagwire/harness` makes it; `undefined` before the provider's first effect. */
export const useFeatureFlagsClient = (): FFContextValue["client"] => useContext(FFContext).client;

/** How {@link ifFeatureFlag} decides. */
export interface IfFeatureFlagOptions {
  /** Render where the flag has this value. By default where it has any value that is truthy. */
  matchValue?: unknown;
  /** What is shown while there are no values. */
  loadingFallback?: ReactNode;
}

/** The default of a read that tells a missing flag from one whose value is false; `onFlagNotFound` gets it, as published. */
const NO_VALUE = "FF_SDK_INTERNAL_NO_VALUE";

/** Makes a component that is rendered where a flag is on, or has a value, and is nothing else. */
export function ifFeatureFlag<C>(
  flagName: string,
  { matchValue, loadingFallback = null }: IfFeatureFlagOptions = {},
): (WrappedComponent: ComponentType<C>) => (props: C) => ReactElement {
  return (WrappedComponent) => (props) =>
    // Not a hook: in StrictMode React would ask the client twice, and `onFlagNotFound` hear it.
    createElement(FFContext.Consumer, {
      children: ({ client, loading }: FFContextValue): ReactNode => {
        if (loading) return loadingFallback;
        const value: unknown = client?.variation(flagName, NO_VALUE);
        const shown = matchValue === value || (matchValue === undefined && value !== NO_VALUE && !!value);
        return shown ? createElement(WrappedComponent as FC<object>, props as object) : null;
      },
    });
}

/** Gives a component the props `flags` and `loading`. */
export function withFeatureFlags<C>(
  WrappedComponent: ComponentType<C & { flags: FFContextValue["flags"]; loading: FFContextValue["loading"] }>,
): (props: C) => ReactElement {
  return function WithFeatureFlags(props) {
    const flags = useFeatureFlags();
    return createElement(WrappedComponent as FC<object>, { flags, loading: useFeatureFlagsLoading(), ...props } as object);
  };
}

/** Gives a component the prop `featureFlagsClient`. */
export function withFeatureFlagsClient<C>(WrappedComponent: ComponentType<C & { featureFlagsClient: FFContextValue["client"] }>): (props: C) => ReactElement {
  return function WithFeatureFlagsClient(props) {
    return createElement(WrappedComponent as FC<object>, { featureFlagsClient: useFeatureFlagsClient(), ...props } as object);
  };
}

/** What {@link TestWrapper} takes. */
export interface TestWrapperProps extends PropsWithChildren {
  /** Every flag there is, and its value. */
  flags: Record<string, any>;
  /**
   * What `useFeatureFlagsLoading` and `withFeatureFlags` give.
   * @default false
   */
  loading?: boolean;
}

/** Makes a function that a test may ask how it was called. */
type Mocking = { fn: <F extends (...args: never[]) => unknown>(implementation: F) => F & { mockImplementation(implementation: F): void } };
/** Jest gives it to each CommonJS module, Vitest to the global object where `globals` is on. */
declare const jest: Mocking | undefined;
declare const vi: Mocking | undefined;

/**
 * Gives components in a test the values of flags, without a client. In Jest and in Vitest with `globals` the methods of
 * `useFeatureFlagsClient()` are mocks, elsewhere functions that do nothing; `variation` reads `flags`.
 */
export const TestWrapper: FC<TestWrapperProps> = ({ children, flags, loading = false }) => {
  const given = useRef(flags);
  given.current = flags;
  const [{ client, renew }] = useState(() => {
    const mocking = typeof jest === "object" ? jest : typeof vi === "object" ? vi : undefined;
    const nothing = (): () => void => mocking?.fn(() => {}) ?? (() => {});
    const read = (flag: string, defaultValue?: unknown): unknown => (Object.hasOwn(given.current, flag) ? given.current[flag] : defaultValue);
    const variation = mocking?.fn(read);
    const client = {
      variation: variation ?? read,
      on: nothing(),
      off: nothing(),
      close: nothing(),
      setEvaluations: nothing(),
      registerAPIRequestMiddleware: nothing(),
      refreshEvaluations: nothing(),
    } as Result;
    return { client, renew: () => variation?.mockImplementation(read) };
  });
  // Tests reset their mocks.
  renew();
  return createElement(FFContext.Provider, { value: { flags, loading, client } }, children);
};
