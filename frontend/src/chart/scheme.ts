/** Whether the system asks for light or for dark. Charts are drawn on canvases, which no style sheet reaches. */

import { useEffect, useState } from "preact/hooks";

const LIGHT = "(prefers-color-scheme: light)";

/** The scheme now; whoever uses it is drawn again when it changes. */
export function useScheme(): "light" | "dark" {
  const [light, setLight] = useState(() => matchMedia(LIGHT).matches);
  useEffect(() => {
    const query = matchMedia(LIGHT);
    const onChange = (): void => setLight(query.matches);
    query.addEventListener("change", onChange);
    return () => query.removeEventListener("change", onChange);
  }, []);
  return light ? "light" : "dark";
}
