// Accounts, charges and what was spent over time.
import { api, html, money, moment, t, Trouble, useApi, useState } from "./lib.js";

export function Ledger() {
  const { data, error, read } = useApi("ledger?limit=1000", 2);
  return html`<section aria-labelledby="ledger-title">
    <h2 id="ledger-title">${t("ledger")}</h2>
    <${Trouble} error=${error} />
    ${data && html`
      <${Chart} charges=${data.charges} />
      <h3>${t("accounts")}</h3>
      <div class="scroll" tabindex="0"><table>
        <thead><tr>${["provider", "key", "balance", "reserved", "spent", "limit", ""].map((name) => html`<th scope="col">${name && t(name)}</th>`)}</tr></thead>
        <tbody>${data.accounts.map((account) => html`<${Account} key=${`${account.provider}/${account.key}`} account=${account} read=${read} />`)}</tbody>
      </table></div>
      ${data.accounts.length === 0 && html`<p class="hint">${t("nothing-yet")}</p>`}
      <h3>${t("charges")} <a class="small" href="/__mock__/ledger.csv">CSV</a></h3>
      <div class="scroll" tabindex="0"><table>
        <thead><tr>${["when", "provider", "model", "key", "images-column", "unit-price", "amount"].map((name) => html`<th scope="col">${t(name)}</th>`)}</tr></thead>
        <tbody>${data.charges.slice(0, 200).map((c) => html`<tr key=${c.id}>
          <td>${moment(c.created)}</td><td>${c.provider}</td><td>${c.model}</td><td>${c.key}</td><td class="number">${c.images}</td>
          <td class="number">${c.unit_price ?? t("unknown")}</td><td class="number">${money(c.amount, c.currency)}</td></tr>`)}</tbody>
      </table></div>`}
  </section>`;
}

function Account({ account, read }) {
  const [draft, setDraft] = useState(null);
  const [error, setError] = useState(null);
  const save = async (event) => {
    event.preventDefault();
    const limit = draft.limit.trim();
    try {
      const change = { provider: account.provider, balance: draft.balance, requests_per_minute: limit === "" ? null : Number(limit) };
      await api("PATCH", `accounts/${encodeURIComponent(account.key)}`, change);
      setDraft(null);
      setError(null);
      read();
    } catch (trouble) {
      setError(trouble);
    }
  };
  const edit = () => setDraft({ balance: account.balance, limit: String(account.requests_per_minute ?? "") });
  if (draft === null)
    return html`<tr><td>${account.provider}</td><td>${account.key}</td><td class="number">${money(account.balance, account.currency)}</td>
      <td class="number">${account.reserved}</td><td class="number">${account.spent}</td><td class="number">${account.requests_per_minute ?? "–"}</td>
      <td><button type="button" class="small" onClick=${edit} aria-label=${`${t("change")} ${account.provider} ${account.key}`}>${t("change")}</button></td></tr>`;
  const set = (name) => (event) => setDraft({ ...draft, [name]: event.target.value });
  return html`<tr><td>${account.provider}</td><td>${account.key}</td><td colspan="5"><form class="filters" onSubmit=${save}>
    <label>${t("balance")}<input name="balance" required value=${draft.balance} onInput=${set("balance")} inputmode="decimal" /></label>
    <label>${t("limit")}<input name="limit" value=${draft.limit} onInput=${set("limit")} inputmode="numeric" placeholder=${t("no-limit")} /></label>
    <button class="small">${t("save")}</button><button type="button" class="small" onClick=${() => setDraft(null)}>${t("cancel")}</button>
    <${Trouble} error=${error} /></form></td></tr>`;
}

const BARS = 30;

/** What each of the last stretches of time cost, a currency a colour. */
function Chart({ charges }) {
  if (charges.length === 0) return null;
  const first = Math.min(...charges.map((c) => c.created));
  const last = Math.max(...charges.map((c) => c.created));
  const width = Math.max(1, (last - first) / BARS);
  const currencies = [...new Set(charges.map((c) => c.currency))].sort();
  const sums = currencies.map(() => Array(BARS).fill(0));
  for (const c of charges) sums[currencies.indexOf(c.currency)][Math.min(BARS - 1, Math.floor((c.created - first) / width))] += Number(c.amount);
  const most = Math.max(...sums.flat(), 1e-9);
  const bar = 300 / BARS / currencies.length;
  const total = (i) => sums[i].reduce((a, b) => a + b, 0);
  return html`<figure class="chart">
    <svg viewBox="0 0 300 60" role="img" aria-label=${`${t("spending")}: ${currencies.map((c, i) => `${total(i).toFixed(2)} ${c}`).join(", ")}`} preserveAspectRatio="none">
      ${sums.flatMap((row, i) => row.map((sum, n) => sum > 0 && html`<rect class=${`series-${i % 4}`} x=${(n * currencies.length + i) * bar} width=${bar * 0.85}
        y=${60 - (sum / most) * 58} height=${(sum / most) * 58}><title>${`${moment(first + n * width)}: ${sum.toFixed(4)} ${currencies[i]}`}</title></rect>`))}
    </svg>
    <figcaption>${t("spending")}: ${moment(first)} – ${moment(last)} ${currencies.map((c, i) => html`<span class=${`legend series-${i % 4}`}>${c}</span>`)}</figcaption>
  </figure>`;
}
