import type { IncomingMessage, ServerResponse } from 'node:http'

/** Why the room is not open yet: in one sentence each, what is wrong and what to do. Null while it is just starting. */
export interface WaitingFor {
  text: string
  remedy: string
}

const escaped = (text: string): string => text.replace(/[&<>"']/g, (sign) => `&#${sign.codePointAt(0)};`)

const page = ({ text, remedy }: WaitingFor): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="5">
<title>Tidegate cannot open its database</title>
<style>
body { margin: 0; min-height: 100vh; display: grid; place-items: center; font: 16px/1.5 system-ui, sans-serif; color-scheme: light dark }
main { max-width: 40rem; padding: 2rem }
h1 { font-size: 1.5rem }
</style>
<main>
<h1>The control room cannot open its database</h1>
<p role="alert">${escaped(text)}</p>
<p>${escaped(remedy)}</p>
<p>Embedded nodes serve meanwhile. Nothing is watched, recorded or drained until this is repaired; then the room opens by itself, and this
page with it.</p>
</main>
`

/**
 * What the port answers before the room is open: health for load balancers, and where the database cannot be opened, what is wrong and
 * what to do, to people and programs alike. Nothing else is reachable, and everything but liveness is 503.
 */
export const answerWaiting = (
  request: IncomingMessage,
  response: ServerResponse,
  waiting: WaitingFor | null,
): void => {
  const path = (request.url ?? '/').split('?')[0] ?? '/'
  const json = (status: number, body: unknown) =>
    response
      .writeHead(status, {
        'Content-Type': 'application/json',
        'Cache-Control': 'no-store',
        ...(status === 200 ? {} : { 'Retry-After': waiting === null ? '2' : '5' }),
      })
      .end(JSON.stringify(body))
  if (path === '/healthz/live') json(200, { live: true })
  else if (path.startsWith('/api/'))
    json(503, {
      error:
        waiting === null
          ? { code: 'ERR_STARTING', message: 'The server is still starting', facts: {} }
          : {
              code: 'ERR_STORE_UNAVAILABLE',
              message: `${waiting.text} ${waiting.remedy}`,
              facts: { reason: waiting.text, remedy: waiting.remedy },
            },
    })
  else if (waiting === null || path.startsWith('/healthz/') || path === '/metrics')
    json(503, { ready: false, reason: waiting === null ? 'starting' : waiting.text })
  else
    response
      .writeHead(503, {
        'Content-Type': 'text/html; charset=utf-8',
        'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        'X-Content-Type-Options': 'nosniff',
        'Cache-Control': 'no-store',
        'Retry-After': '5',
      })
      .end(request.method === 'HEAD' ? undefined : page(waiting))
}
