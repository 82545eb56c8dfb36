import { execFile } from 'node:child_process'
import { createHash, createPublicKey, randomBytes, verify, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { onTestFinished } from 'vitest'
import { type Certificate, issue, makeAuthority } from '../collector/adapters/certificates.ts'

const run = promisify(execFile)
const DAY_MS = 86_400_000

interface Order {
  name: string
  account: string
  status: 'pending' | 'ready' | 'processing' | 'valid' | 'invalid'
  token: string
  error?: object
  certificate?: string
}

interface Signed {
  payload: Record<string, unknown> | null
  jwk?: Record<string, string>
  kid?: string
}

/** What a server says against a request. */
export class Refusal extends Error {
  readonly status: number
  readonly type: string
  readonly detail: string
  readonly retryAfter: string | undefined

  constructor(status: number, type: string, detail: string, retryAfter?: string) {
    super(detail)
    this.status = status
    this.type = type
    this.detail = detail
    this.retryAfter = retryAfter
  }
}

const openssl = `[ca]
default_ca = own
[own]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = optional
`

const stamp = (at: number): string => new Date(at).toISOString().replace(/[-:T]|\.\d+/g, '')
const json = (text: string): Record<string, unknown> => JSON.parse(Buffer.from(text, 'base64url').toString())

/**
 * An authority as RFC 8555 has it: over TLS, with nonces that serve once, signatures that are checked for the place they are sent to, and
 * challenges that it fetches from the machine it is told. Certificates are made by OpenSSL, which checks the request's own signature.
 */
export class AcmeServer {
  /** Where names lead: the port of 127.0.0.1 that is asked for challenges. */
  challengePort = 0
  /** Days from now between which the next certificates are valid. */
  validDays = { from: -1, to: 89 }
  /** Said against an order, while it answers something. */
  onOrder: (name: string) => Refusal | null = () => null
  /** Waited for before a certificate is given. */
  gate: (name: string) => Promise<unknown> = () => Promise.resolve()
  /** How many of the next nonces are told to be bad. */
  badNonces = 0
  /** Names of all orders that were asked for. */
  readonly ordered: string[] = []
  /** Each challenge that was fetched, and the status of its answer. */
  readonly fetched: string[] = []
  readonly contacts: unknown[] = []
  readonly #accounts = new Map<string, { jwk: Record<string, string>; revoked: boolean }>()
  readonly #orders = new Map<string, Order>()
  readonly #nonces = new Set<string>()
  readonly #authority: Certificate
  readonly #server: https.Server

  private constructor(authority: Certificate, own: Certificate) {
    this.#authority = authority
    this.#server = https.createServer(own, (request, response) => void this.#answer(request, response))
  }

  static async start(): Promise<AcmeServer> {
    const authority = await makeAuthority('ACME test authority')
    const server = new AcmeServer(authority, await issue(authority))
    server.#server.listen(0, '127.0.0.1')
    await once(server.#server, 'listening')
    onTestFinished(() => server.stop())
    return server
  }

  stop(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  /** Trusted for its own place, and for what it gives. */
  get ca(): string {
    return this.#authority.cert
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  get directoryUrl(): string {
    return `${this.url}/directory`
  }

  get accounts(): number {
    return this.#accounts.size
  }

  revokeAccounts(): void {
    for (const account of this.#accounts.values()) account.revoked = true
  }

  forgetAccounts(): void {
    this.#accounts.clear()
  }

  #nonce(): string {
    const nonce = randomBytes(16).toString('base64url')
    this.#nonces.add(nonce)
    return nonce
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const send = (status: number, body: object | string, headers: Record<string, string> = {}): void => {
      response.writeHead(status, { 'Replay-Nonce': this.#nonce(), ...headers })
      response.end(typeof body === 'string' ? body : JSON.stringify(body))
    }
    try {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      const path = request.url ?? ''
      if (path === '/directory') {
        const at = (name: string) => `${this.url}/${name}`
        send(200, { newNonce: at('nonce'), newAccount: at('account'), newOrder: at('order') })
        return
      }
      if (path === '/nonce') {
        send(200, '')
        return
      }
      if (request.method !== 'POST') throw new Refusal(405, 'malformed', 'POST is needed')
      if (request.headers['content-type'] !== 'application/jose+json')
        throw new Refusal(415, 'malformed', 'application/jose+json is needed')
      await this.#serve(path, this.#signed(path, Buffer.concat(chunks).toString()), send)
    } catch (error) {
      const said = error instanceof Refusal ? error : new Refusal(500, 'serverInternal', String(error))
      const { status, type, detail, retryAfter } = said
      send(
        status,
        { type: `urn:ietf:params:acme:error:${type}`, detail },
        retryAfter === undefined ? {} : { 'Retry-After': retryAfter },
      )
    }
  }

  #signed(path: string, text: string): Signed {
    const body = JSON.parse(text) as { protected: string; payload: string; signature: string }
    const head = json(body.protected)
    if (head.alg !== 'ES256') throw new Refusal(400, 'badSignatureAlgorithm', String(head.alg))
    if (head.url !== `${this.url}${path}`) throw new Refusal(401, 'unauthorized', 'signed for another place')
    if (!this.#nonces.delete(String(head.nonce))) throw new Refusal(400, 'badNonce', 'this nonce is not good')
    if (this.badNonces > 0) {
      this.badNonces -= 1
      throw new Refusal(400, 'badNonce', 'this nonce has become too old')
    }
    if (
      (head.jwk === undefined) === (head.kid === undefined) ||
      (head.jwk !== undefined) !== (path === '/account')
    )
      throw new Refusal(400, 'malformed', 'either jwk or kid, and jwk only for a new account')
    const account = this.#accounts.get(String(head.kid))
    if (head.kid !== undefined && !account)
      throw new Refusal(400, 'accountDoesNotExist', 'there is no such account')
    const jwk = (head.jwk ?? account?.jwk) as Record<string, string>
    const key = createPublicKey({ key: jwk, format: 'jwk' })
    const signature = Buffer.from(body.signature, 'base64url')
    const over = Buffer.from(`${body.protected}.${body.payload}`)
    if (!verify('sha256', over, { key, dsaEncoding: 'ieee-p1363' }, signature))
      throw new Refusal(400, 'malformed', 'the signature is wrong')
    if (account?.revoked) throw new Refusal(403, 'unauthorized', 'this account was deactivated')
    return {
      payload: body.payload === '' ? null : json(body.payload),
      ...(head.kid === undefined ? { jwk } : { kid: String(head.kid) }),
    }
  }

  async #serve(
    path: string,
    { payload, jwk, kid }: Signed,
    send: (status: number, body: object | string, headers?: Record<string, string>) => void,
  ): Promise<void> {
    if (path === '/account' && jwk) {
      if (payload?.termsOfServiceAgreed !== true) throw new Refusal(403, 'userActionRequired', 'agree first')
      const thumbprint = thumbprintOf(jwk)
      const url = `${this.url}/account/${thumbprint}`
      const known = this.#accounts.get(url)
      if (known?.revoked) throw new Refusal(403, 'unauthorized', 'this account was deactivated')
      this.#accounts.set(url, known ?? { jwk, revoked: false })
      this.contacts.push(payload.contact)
      send(known ? 200 : 201, { status: 'valid' }, { Location: url })
      return
    }
    if (path === '/order') {
      if (payload === null) throw new Refusal(400, 'malformed', 'an order has names')
      const [{ value: name }] = payload.identifiers as [{ value: string }]
      this.ordered.push(name)
      const refused = this.onOrder(name)
      if (refused) throw refused
      const id = randomBytes(8).toString('hex')
      const order: Order = {
        name,
        account: kid!,
        status: 'pending',
        token: randomBytes(16).toString('base64url'),
      }
      this.#orders.set(id, order)
      send(201, this.#shown(id, order), { Location: `${this.url}/order/${id}` })
      return
    }
    const [, what, id = ''] = path.split('/')
    const order = this.#orders.get(id)
    if (!order || order.account !== kid) throw new Refusal(404, 'malformed', 'there is no such thing')
    if (what === 'order') send(200, this.#shown(id, order))
    else if (what === 'authorization') send(200, this.#authorization(id, order))
    else if (what === 'challenge') {
      if (payload === null) throw new Refusal(400, 'malformed', 'a challenge is answered with {}')
      void this.#check(order)
      send(200, this.#authorization(id, order).challenges[1]!)
    } else if (what === 'finalize') {
      if (order.status !== 'ready') throw new Refusal(403, 'orderNotReady', 'prove the name first')
      order.status = 'processing'
      void this.#give(order, String(payload?.csr))
      send(200, this.#shown(id, order))
    } else if (what === 'certificate') send(200, order.certificate ?? '')
    else throw new Refusal(404, 'malformed', 'there is no such place')
  }

  #shown(id: string, order: Order): object {
    const at = (what: string) => `${this.url}/${what}/${id}`
    return {
      status: order.status,
      identifiers: [{ type: 'dns', value: order.name }],
      authorizations: [at('authorization')],
      finalize: at('finalize'),
      ...(order.certificate === undefined ? {} : { certificate: at('certificate') }),
      ...(order.error ? { error: order.error } : {}),
    }
  }

  #authorization(id: string, order: Order) {
    const status = order.status === 'pending' || order.status === 'invalid' ? order.status : 'valid'
    return {
      status,
      identifier: { type: 'dns', value: order.name },
      challenges: [
        { type: 'dns-01', url: `${this.url}/none/${id}`, token: 'none', status: 'pending' },
        {
          type: 'http-01',
          url: `${this.url}/challenge/${id}`,
          token: order.token,
          status,
          ...(order.error ? { error: order.error } : {}),
        },
      ],
    }
  }

  /** Asks the machine that the name leads to. */
  async #check(order: Order): Promise<void> {
    const path = `/.well-known/acme-challenge/${order.token}`
    const found = await new Promise<string>((resolve) => {
      const asked = http.get(
        { host: '127.0.0.1', port: this.challengePort, path, headers: { Host: order.name }, agent: false },
        (answer) => {
          this.fetched.push(`${order.name} ${answer.statusCode}`)
          let text = ''
          answer.on('data', (chunk) => {
            text += String(chunk)
          })
          answer.on('end', () => resolve(text))
        },
      )
      asked.on('error', (error) => resolve(String(error)))
    })
    const { jwk } = this.#accounts.get(order.account) ?? { jwk: {} }
    if (found === `${order.token}.${thumbprintOf(jwk)}`) order.status = 'ready'
    else {
      order.status = 'invalid'
      order.error = { type: 'urn:ietf:params:acme:error:unauthorized', detail: `found ${found.slice(0, 40)}` }
    }
  }

  async #give(order: Order, csr: string): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), 'acme-server-'))
    try {
      await this.gate(order.name)
      const at = (name: string) => join(folder, name)
      await writeFile(at('request.der'), Buffer.from(csr, 'base64url'))
      await writeFile(at('ca.pem'), this.#authority.cert)
      await writeFile(at('ca.key'), this.#authority.key)
      await writeFile(at('index.txt'), '')
      await writeFile(at('own.conf'), openssl)
      const { from, to } = this.validDays
      const dates = [
        '-startdate',
        stamp(Date.now() + from * DAY_MS),
        '-enddate',
        stamp(Date.now() + to * DAY_MS),
      ]
      await run(
        'openssl',
        ['req', '-inform', 'DER', '-in', 'request.der', '-out', 'request.pem', '-verify'],
        {
          cwd: folder,
        },
      )
      await run(
        'openssl',
        ['ca', '-config', 'own.conf', '-batch', '-notext', '-in', 'request.pem', '-out', 'given.pem']
          .concat(['-cert', 'ca.pem', '-keyfile', 'ca.key', '-subj', '/CN=given'])
          .concat(dates),
        { cwd: folder },
      )
      const given = await readFile(at('given.pem'), 'utf8')
      if (new X509Certificate(given).subjectAltName !== `DNS:${order.name}`)
        throw new Error('the request is for other names')
      order.certificate = given + this.#authority.cert
      order.status = 'valid'
    } catch (error) {
      order.status = 'invalid'
      order.error = { type: 'urn:ietf:params:acme:error:badCSR', detail: String(error) }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
}

const thumbprintOf = ({ crv, kty, x, y }: Record<string, string>): string =>
  createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url')
