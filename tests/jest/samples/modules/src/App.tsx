import { type ReactNode } from "react";
import {
  FFContext,
  FFContextProvider,
  ifFeatureFlag,
  useFeatureFlag,
  useFeatureFlags,
  useFeatureFlagsClient,
  useFeatureFlagsLoading,
  withFeatureFlags,
  withFeatureFlagsClient,
  type FFContextProviderProps,
  type FFContextValue,
  type IfFeatureFlagOptions,
  type NetworkError,
} from "@harnessio/ff-react-client-sdk"; // the last import

const often: IfFeatureFlagOptions = { matchValue: "ocean", loadingFallback: <b>later</b> };
const Ocean = ifFeatureFlag<{ depth: number }>("theme", often)(({ depth }) => <i>ocean {depth}</i>);
const Theme = withFeatureFlags<{ title: string }>(({ flags, loading, title }) => <p>{title}: {loading ? "…" : flags["theme"]}</p>);
const Version = withFeatureFlagsClient<object>(({ featureFlagsClient }) => <small>{String(featureFlagsClient?.variation("page-size", 0))}</small>);

export const failed = (event: NetworkError | "PropsError", error?: unknown): string => `${event} ${String(error)}`;

export function Shop(): ReactNode {
  const dark: boolean = useFeatureFlag("dark-mode", false);
  const { theme } = useFeatureFlags(["theme"]);
  const client: FFContextValue["client"] = useFeatureFlagsClient();
  if (useFeatureFlagsLoading()) return <p>loading</p>;
  return (
    <main data-dark={dark} data-client={!!client}>
      {theme} <Ocean depth={3} /> <Theme title="theme" /> <Version />
    </main>
  );
}

export function App(props: Omit<FFContextProviderProps, "children">): ReactNode {
  return (
    <FFContextProvider asyncMode {...props} onError={failed} onFlagNotFound={({ flag, defaultVariation }, loading) => void [flag, defaultVariation, loading]}>
      <FFContext.Consumer>{({ loading }) => <code>{String(loading)}</code>}</FFContext.Consumer>
      <Shop />
      <p>import x from "@harnessio/ff-react-client-sdk"</p>
    </FFContextProvider>
  );
}
