import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { ClientAddresses } from '../auth/client-address.ts'
import { AppError } from '../contract/errors.ts'
import { refuse } from '../live/refuse.ts'
import type { Log } from '../observe/log.ts'
import type { HostRule } from './host-rule.ts'

type Handler = (request: IncomingMessage, response: ServerResponse) => unknown

export interface FrontDoorOptions {
  /** Answers `/api`, `/healthz` and `/metrics`. */
  api: Handler
  /** Renders pages and their assets; null until the page renderer is ready. */
  pages(): Handler | null
  /** Hot reload of the page renderer, in development only. */
  pagesUpgrade(): ((request: IncomingMessage, socket: Duplex, head: Buffer) => unknown) | null
  /** The live stream; null until it is ready. */
  live(): { upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> } | null
  /** Whether a request carries a valid session. */
  hasSession(request: IncomingMessage): Promise<boolean>
  /** True while there is no administrator yet: nothing but the set-up page is reachable. */
  needsSetup(): boolean
  /** Whether the node, region, drain or incident of a page exists. True for all other paths. */
  hasSubject?(path: string): Promise<boolean>
  /** The demo fleet runs: its banner is part of the page from the start, so that nothing moves when it appears. */
  demo?: boolean
  /** How many incidents are open: their place is part of the page from the start, for the same reason. */
  openIncidents?(): number
  /** Refuses names that are not ours. */
  hosts: HostRule
  clients: ClientAddresses
  /** True where `server.url` is an https address: browsers are then told to use nothing else. */
  tls: boolean
  dev: boolean
  log: Log
}

/** Headers that only the framework itself may set: with one of them a stranger could skip or steer its inner routing. */
const INTERNAL_HEADERS = [
  'x-middleware-subrequest',
  'x-middleware-subrequest-id',
  'x-middleware-rewrite',
  'x-middleware-next',
  'x-middleware-invoke',
  'x-middleware-override-headers',
  'x-middleware-prefetch',
  'x-invoke-path',
  'x-invoke-query',
  'x-invoke-output',
  'x-invoke-status',
  'x-matched-path',
  'x-nextjs-data',
  'x-next-revalidated-tags',
  'x-next-revalidate-tag-token',
  'x-now-route-matches',
  'x-original-url',
  'x-rewrite-url',
  'x-prerender-revalidate',
  'next-action',
  'next-resume',
  'x-nonce',
  'x-tidegate-demo',
  'x-tidegate-incidents',
  'x-tidegate-missing',
]

const OPEN_PAGES = new Set(['/login', '/setup'])
const OPEN_ASSETS =
  /^\/(?:_next\/static\/[^?]*|favicon\.ico|icon[\w.-]*|apple-icon[\w.-]*|manifest\.webmanifest|robots\.txt)$/
const DEVELOPMENT_ASSETS = /^\/(?:_next\/|__nextjs)/
/** `.` or `..` as a whole segment, in plain or percent-encoded letters. */
const DOT_SEGMENT = /(?:^|\/|%2f|%5c)(?:\.|%2e){1,2}(?:$|\/|%2f|%5c)/i
const OURS = /^\/(?:api|healthz|metrics)(?:\/|$)/
/** In development the page renderer's hot reload opens its own socket here. */
const HOT_RELOADS = new Set(['/_next/webpack-hmr', '/_next/hmr'])

/**
 * The one door in front of everything on the port: it refuses what only the framework may send, sends strangers to sign in,
 * and gives each page its nonce. It decides only where a request goes; each API handler checks access itself.
 */
export class FrontDoor {
  readonly #options: FrontDoorOptions

  constructor(options: FrontDoorOptions) {
    this.#options = options
  }

  /** Answers a request, or hands it to the API or the pages; never throws. */
  request(request: IncomingMessage, response: ServerResponse): void {
    setSecurityHeaders(response)
    // RFC 6797: a year; a browser ignores it where its own connection is not encrypted.
    if (this.#options.tls || this.#options.clients.isEncrypted(request))
      response.setHeader('Strict-Transport-Security', 'max-age=31536000')
    this.#handle(request, response).catch((error: unknown) => {
      if (error instanceof AppError) return answerError(request, response, error)
      this.#options.log.error({ err: error }, 'a request failed')
      answerError(request, response, new AppError('ERR_INTERNAL', 'The server failed to answer this request'))
    })
  }

  /** Hands an upgrade on, or refuses it; never throws. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy())
    try {
      this.#open(request, socket, head)
    } catch (error) {
      if (!(error instanceof AppError)) this.#options.log.error({ err: error }, 'an upgrade failed')
      refuse(socket, error instanceof AppError ? error : new AppError('ERR_INTERNAL', 'The upgrade failed'))
    }
  }

  /** Hands an upgrade to its handler; throws where it has none. */
  #open(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const target = request.url ?? ''
    const path = target.split('?', 1)[0] ?? ''
    this.#options.hosts(request)
    if (!target.startsWith('/') || carriesInternalHeader(request))
      throw new AppError('ERR_INVALID', 'This request is not acceptable here', { problems: [] })
    // RFC 6455 §4.1: the handshake is a GET without a body. With one, the server hands over something that is not the socket.
    const { 'content-length': length, 'transfer-encoding': coding } = request.headers
    if (request.method !== 'GET' || coding !== undefined || (length !== undefined && length !== '0'))
      throw new AppError('ERR_INVALID', 'An upgrade must be a GET without a body', { problems: [] })
    if (path === '/live') {
      const live = this.#options.live()
      if (live === null) throw new AppError('ERR_STARTING', 'The server is still starting')
      void live.upgrade(request, socket, head)
      return
    }
    const pagesUpgrade = this.#options.dev && HOT_RELOADS.has(path) ? this.#options.pagesUpgrade() : null
    if (pagesUpgrade === null)
      throw new AppError('ERR_NOT_FOUND', 'Nothing can be upgraded here; the live stream is at /live', {})
    pagesUpgrade(request, socket, head)
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#options.hosts(request)
    const target = request.url ?? ''
    // RFC 9112 §3.2.1: only the origin form reaches the rooms; absolute and authority forms are for proxies.
    if (!target.startsWith('/') || target.startsWith('//') || target.includes('\\')) {
      throw new AppError('ERR_INVALID', 'The request target must be a path', { problems: [] })
    }
    const path = target.split('?', 1)[0] ?? '/'
    // The renderer resolves `..` after we have looked at the path: a path that begins in an open folder must not lead to a protected page.
    if (DOT_SEGMENT.test(path)) {
      throw new AppError('ERR_INVALID', 'The path must not contain the segments "." or ".."', {
        problems: [],
      })
    }
    if (carriesInternalHeader(request)) {
      throw new AppError('ERR_INVALID', 'This request carries a header that only the server itself may set', {
        problems: [],
      })
    }
    if (OURS.test(path)) {
      this.#options.api(request, response)
      return
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD')
      throw new AppError('ERR_METHOD', 'Pages are only read; the API is at /api/v1', {})
    }
    const pages = this.#options.pages()
    if (pages === null)
      throw new AppError('ERR_STARTING', 'The pages are still being prepared; try again in a moment', {})
    const isAsset = OPEN_ASSETS.test(path) || (this.#options.dev && DEVELOPMENT_ASSETS.test(path))
    if (!isAsset && !(await this.#mayPass(request, response, path))) return
    if (!isAsset) {
      setPagePolicy(request, response, this.#options.dev)
      if (this.#options.demo) request.headers['x-tidegate-demo'] = '1'
      const open = this.#options.openIncidents?.() ?? 0
      if (open > 0) request.headers['x-tidegate-incidents'] = String(open)
      // The page of something that does not exist is a 404 from its first byte, not a skeleton that finds out later.
      if (!(await this.#hasSubject(path))) request.headers['x-tidegate-missing'] = '1'
    }
    await pages(request, response)
  }

  /** A store that cannot answer hides nothing: the page then finds out by itself. */
  async #hasSubject(path: string): Promise<boolean> {
    try {
      return (await this.#options.hasSubject?.(path)) ?? true
    } catch (error) {
      this.#options.log.debug({ err: error }, 'could not find out whether the subject of a page exists')
      return true
    }
  }

  /** True where the page may be served; else the request has been answered. */
  async #mayPass(request: IncomingMessage, response: ServerResponse, path: string): Promise<boolean> {
    if (this.#options.needsSetup()) {
      if (path === '/setup') return true
      return redirect(request, response, '/setup')
    }
    // Set up already: an old set-up link leads to the sign-in page.
    if (path === '/setup') return redirect(request, response, '/login')
    if (OPEN_PAGES.has(path) || (await this.#options.hasSession(request))) return true
    const next = path === '/' ? '' : `?next=${encodeURIComponent((request.url ?? '/').slice(0, 1_000))}`
    return redirect(request, response, `/login${next}`)
  }
}

/** 303 for a navigation, 401 for a request for data. */
const redirect = (request: IncomingMessage, response: ServerResponse, location: string): false => {
  if (isDataRequest(request)) throw new AppError('ERR_UNAUTHENTICATED', 'Sign in to see this page')
  response.writeHead(303, { Location: location, 'Cache-Control': 'no-store' }).end()
  return false
}

/**
 * True where a redirect to a page would be of no use: the renderer's own data requests, a browser's `fetch` (its destination is `empty`),
 * and clients that accept no HTML. Scripts, which accept anything, are sent to sign in.
 */
const isDataRequest = ({ headers }: IncomingMessage): boolean =>
  headers.rsc !== undefined ||
  headers['next-router-state-tree'] !== undefined ||
  headers['sec-fetch-dest'] === 'empty' ||
  !/text\/html|\*\/\*/i.test(headers.accept ?? '*/*')

const carriesInternalHeader = (request: IncomingMessage): boolean =>
  INTERNAL_HEADERS.some((name) => request.headers[name] !== undefined)

const setSecurityHeaders = (response: ServerResponse): void => {
  response.setHeader('X-Content-Type-Options', 'nosniff')
  response.setHeader('X-Frame-Options', 'DENY')
  response.setHeader('Referrer-Policy', 'same-origin')
  response.setHeader('Cross-Origin-Opener-Policy', 'same-origin')
  response.setHeader('Permissions-Policy', 'camera=(), microphone=(), geolocation=()')
}

/**
 * A fresh nonce for each page: only scripts that carry it run. Inline styles are allowed because charts position their parts
 * with them; they cannot run code. The renderer reads the policy from the request's header and gives its own scripts the nonce.
 */
const setPagePolicy = (request: IncomingMessage, response: ServerResponse, dev: boolean): void => {
  const nonce = randomBytes(16).toString('base64')
  const policy = [
    "default-src 'self'",
    `script-src 'self' 'nonce-${nonce}' 'strict-dynamic'${dev ? " 'unsafe-eval'" : ''}`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self'",
    "connect-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; ')
  request.headers['content-security-policy'] = policy
  request.headers['x-nonce'] = nonce
  response.setHeader('Content-Security-Policy', policy)
  response.setHeader('Cache-Control', 'no-store')
}

const answerError = (request: IncomingMessage, response: ServerResponse, error: AppError): void => {
  if (response.headersSent) {
    response.destroy()
    return
  }
  if (error.retryAfterSeconds !== null) response.setHeader('Retry-After', error.retryAfterSeconds)
  // A body that nobody will read must not hold the connection.
  if (!request.complete) response.setHeader('Connection', 'close')
  const body = JSON.stringify(error.toBody())
  response
    .writeHead(error.status, {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(body),
      'Cache-Control': 'no-store',
    })
    .end(body)
}
