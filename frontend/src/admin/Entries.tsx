/** What is in the cache. */

import type { CacheEntry } from "@openoutcry/client";

export function Entries({ entries }: { readonly entries: readonly CacheEntry[] }) {
  return (
    <section class="panel" aria-labelledby="entries-title">
      <h3 id="entries-title">Cache entries</h3>
      {entries.length === 0 ? (
        <p class="panel-none">The cache is empty. The next reader fills it.</p>
      ) : (
        <table class="entries" data-testid="entries">
          <thead>
            <tr><th scope="col">Key</th><th scope="col">Age</th><th scope="col">Served</th><th scope="col">Symbols</th></tr>
          </thead>
          <tbody>
            {entries.map(({ key, age, requestsServed, symbolCount }) => (
              <tr key={key}>
                <th scope="row">{key}</th>
                <td>{age}</td>
                <td>{requestsServed.toLocaleString()}</td>
                <td>{symbolCount.toLocaleString()}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
