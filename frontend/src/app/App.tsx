/** The way from nothing to a page: ask the server what it offers, and say so if it does not answer. */

import { ApiError } from "@openoutcry/client";
import { useCallback, useEffect, useState } from "preact/hooks";
import { load } from "./pages.ts";
import { Shell } from "./Shell.tsx";
import { loadConfig } from "../state/config.ts";
import { Desk } from "../state/desk.ts";
import { pageOf } from "../state/route.ts";

type Stage =
  | { readonly kind: "loading" }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "ready"; readonly desk: Desk };

export function App() {
  const [stage, setStage] = useState<Stage>({ kind: "loading" });
  const [attempt, setAttempt] = useState(0);
  const retry = useCallback(() => setAttempt((count) => count + 1), []);

  useEffect(() => {
    const abort = new AbortController();
    let desk: Desk | null = null;
    setStage({ kind: "loading" });
    // The page's code is fetched beside the configuration, not after it. Its failure is the shell's to tell.
    load(pageOf(location.hash)).catch(() => {});
    loadConfig(abort.signal).then(
      (config) => {
        if (abort.signal.aborted) return;
        desk = new Desk(config);
        setStage({ kind: "ready", desk });
      },
      (error: unknown) => {
        if (abort.signal.aborted) return;
        setStage({ kind: "failed", message: error instanceof ApiError ? error.message : String(error) });
      },
    );
    return () => {
      abort.abort();
      desk?.stop();
    };
  }, [attempt]);

  if (stage.kind === "ready") return <Shell desk={stage.desk} />;
  if (stage.kind === "loading") return <main class="alone" aria-busy="true"><p class="sr-only" role="status">Loading…</p></main>;
  return (
    <main class="alone">
      <div class="notice" role="alert" data-testid="app-error">
        <h1>The server cannot be asked</h1>
        <p>{stage.message}</p>
        <button type="button" class="button" onClick={retry}>Try again</button>
      </div>
    </main>
  );
}
