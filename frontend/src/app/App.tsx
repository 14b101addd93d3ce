/** The way from nothing to a dashboard: ask the server what it offers, and say so if it does not answer. */

import { ApiError } from "@openoutcry/client";
import { useCallback, useEffect, useState } from "preact/hooks";
import { Dashboard } from "./Dashboard.tsx";
import { ChartSkeleton } from "../chart/states.tsx";
import { loadConfig } from "../state/config.ts";
import { Session } from "../state/session.ts";

type Stage =
  | { readonly kind: "loading" }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "nothing" }
  | { readonly kind: "ready"; readonly session: Session };

export function App() {
  const [stage, setStage] = useState<Stage>({ kind: "loading" });
  const [attempt, setAttempt] = useState(0);
  const retry = useCallback(() => setAttempt((count) => count + 1), []);

  useEffect(() => {
    const abort = new AbortController();
    let session: Session | null = null;
    setStage({ kind: "loading" });
    loadConfig(abort.signal).then(
      (config) => {
        if (abort.signal.aborted) return;
        if (config.symbols.length === 0) return setStage({ kind: "nothing" });
        session = new Session(config);
        setStage({ kind: "ready", session });
      },
      (error: unknown) => {
        if (abort.signal.aborted) return;
        setStage({ kind: "failed", message: error instanceof ApiError ? error.message : String(error) });
      },
    );
    return () => {
      abort.abort();
      session?.stop();
    };
  }, [attempt]);

  if (stage.kind === "ready") return <Dashboard session={stage.session} />;
  if (stage.kind === "loading") return <main class="alone" aria-busy="true"><ChartSkeleton /></main>;
  return (
    <main class="alone">
      <div class="notice" role="alert" data-testid="app-error">
        <h1>{stage.kind === "nothing" ? "No symbols are configured" : "The server cannot be asked"}</h1>
        <p>{stage.kind === "nothing" ? "Add instruments to the feed, then try again." : stage.message}</p>
        <button type="button" class="button" onClick={retry}>Try again</button>
      </div>
    </main>
  );
}
