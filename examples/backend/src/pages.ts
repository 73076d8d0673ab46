/**
 * The pages. What is put into an `html` template is escaped unless it is `Html`: no user writes markup here.
 */
import type { Batch, Run, RunSummary } from "@fairlead/sdk";

export function homePage(latest: RunSummary[]): string {
  return page(
    "Greetings",
    html`
      <form method="post" action="/greetings">
        <label>Name <input name="name" required maxlength="100" autofocus></label>
        <button>Greet</button>
      </form>
      <form method="post" action="/greetings/batch">
        <label>Names, one on each line <textarea name="names" required rows="3"></textarea></label>
        <button>Greet all</button>
      </form>
      <h2>Latest runs</h2>
      ${runTable(latest)}`,
  );
}

export function runPage(run: Run): string {
  const body = html`
    <p>Status: <strong>${run.status}</strong></p>
    ${run.output === undefined ? "" : html`<pre>${JSON.stringify(run.output, undefined, 2)}</pre>`}
    ${run.error && html`<pre class="error">${run.error.name ?? "Error"}: ${run.error.message}</pre>`}
    <p><a href="/greetings/${run.id}.json">As JSON</a> · <a href="/">All greetings</a></p>`;
  return page(run.id, body, { refresh: !run.isCompleted });
}

export function batchPage({ id, status, runCount }: Batch, members: RunSummary[]): string {
  const body = html`
    <p>Status: <strong>${status}</strong>, ${runCount} runs</p>
    ${runTable(members)}
    <p><a href="/">All greetings</a></p>`;
  return page(id, body, { refresh: status === "PENDING" || status === "PROCESSING" });
}

export function errorPage(status: number, message: string): string {
  return page(`Error ${status}`, html`<p class="error">${message}</p><p><a href="/">All greetings</a></p>`);
}

function runTable(runs: RunSummary[]): Html {
  const rows = runs.map(
    ({ id, status, createdAt }) => html`
      <tr><td><a href="/greetings/${id}">${id}</a></td><td>${status}</td><td>${createdAt.toISOString()}</td></tr>`,
  );
  return html`<table><tr><th>Run</th><th>Status</th><th>Created</th></tr>${rows}</table>`;
}

function page(title: string, body: Html, { refresh = false } = {}): string {
  return html`<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    ${refresh ? html`<meta http-equiv="refresh" content="1">` : ""}
    <title>${title}</title>
    <style>
      body { font-family: system-ui; max-width: 48rem; margin: 3rem auto; padding: 0 1rem; color-scheme: light dark }
      form { margin: 1rem 0 } textarea { display: block; width: 100% }
      td, th { text-align: left; padding-right: 2rem } .error { color: firebrick; white-space: pre-wrap }
    </style>
  </head>
  <body><h1>${title}</h1>${body}</body>
</html>`.text;
}

class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

function html(parts: TemplateStringsArray, ...values: unknown[]): Html {
  return new Html(String.raw({ raw: parts }, ...values.map(markup)));
}

function markup(value: unknown): string {
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(markup).join("");
  return String(value ?? "").replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
