import { readFile } from 'node:fs/promises'
import { isIP, Socket } from 'node:net'
import { createTransport } from 'nodemailer'
import { type ChannelConfig, plainLine } from '../../../contract/index.ts'
import type { Channel } from './channel.ts'
import { faultWords } from './http-post.ts'
import { type Message, textOf } from './message.ts'
import { type Outcome, scrubbed, secretsOfUrl } from './outcome.ts'

type Config = Extract<ChannelConfig, { kind: 'email' }>

const CONNECT_MS = 6_000
const SILENCE_MS = 10_000
/** How long a server may take to say goodbye to a message that it took, ms. */
const GOODBYE_MS = 1_000
const MAX_SAID = 300

interface Server {
  host: string
  port: number
  secure: boolean
  auth: { user: string; pass: string } | null
  isLocal: boolean
}

const serverOf = (smtp: string): Server => {
  const { protocol, hostname, port, username, password } = new URL(smtp)
  const host = hostname.replace(/^\[|\]$/g, '')
  const secure = protocol === 'smtps:'
  return {
    host,
    port: port === '' ? (secure ? 465 : 587) : Number(port),
    secure,
    auth: username === '' ? null : { user: decodeURIComponent(username), pass: decodeURIComponent(password) },
    isLocal: host === 'localhost' || (isIP(host) === 4 && host.startsWith('127.')) || host === '::1',
  }
}

/** What a mail server's code says: 5xx about the message itself is final; who we are may be mended in the configuration. */
const isFinal = (code: number | undefined, stage: unknown): boolean =>
  code !== undefined && code >= 500 && (stage === 'EENVELOPE' || stage === 'EMESSAGE')

/** E-mail by SMTP. */
export class EmailChannel implements Channel {
  readonly target: string
  readonly #config: Config
  readonly #server: Server

  constructor(config: Config) {
    this.#config = config
    this.#server = serverOf(config.smtp)
    this.target = `${config.to.join(', ')} by ${this.#server.host}`
  }

  async send(message: Message, signal: AbortSignal): Promise<Outcome> {
    const { smtp, from, to, ca } = this.#config
    const { host, port, secure, auth, isLocal } = this.#server
    const clean = (text: string): string =>
      scrubbed(plainLine(text).trim(), [...secretsOfUrl(smtp), ...(auth === null ? [] : [auth.pass])]).slice(
        0,
        MAX_SAID,
      )
    let authority: Buffer | undefined
    try {
      authority = ca === undefined ? undefined : await readFile(ca)
    } catch (error) {
      return failure(`the file of ca cannot be read (${(error as NodeJS.ErrnoException).code})`)
    }
    // The library forgets a connection that it closes, but ends it only with the server's consent: the socket is ours to destroy.
    const socket = new Socket()
    const transport = createTransport({
      socket,
      host,
      port,
      secure,
      ...(auth === null ? {} : { auth }),
      // Somebody in between could take STARTTLS out of the greeting: a password is then not sent at all.
      requireTLS: !secure && auth !== null && !isLocal,
      tls: { ...(authority === undefined ? {} : { ca: authority }), minVersion: 'TLSv1.2' },
      connectionTimeout: CONNECT_MS,
      greetingTimeout: CONNECT_MS,
      dnsTimeout: CONNECT_MS,
      socketTimeout: SILENCE_MS,
      disableFileAccess: true,
      disableUrlAccess: true,
    })
    const stop = (): void => void socket.destroy()
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) stop()
    let isTaken = false
    try {
      const sent = await transport.sendMail({
        from,
        to: [...to],
        subject: message.headline,
        text: `${message.headline}\n\n${textOf(message)}\n`,
        messageId: `<${message.id}@${from.slice(from.lastIndexOf('@') + 1).replace(/[^\w.-].*$/, '')}>`,
        date: new Date(message.at),
        headers: {
          'Tidegate-Notification-Id': message.id,
          'Auto-Submitted': 'auto-generated',
          ...threadOf(message),
        },
      })
      isTaken = true
      const refused = sent.rejected.map(String)
      const answer = clean(sent.response ?? '')
      return {
        state: 'sent',
        answer: refused.length === 0 ? answer : `${answer}; refused for ${clean(refused.join(', '))}`,
      }
    } catch (error) {
      const { responseCode, response, code } = error as {
        responseCode?: number
        response?: string
        code?: string
      }
      if (response === undefined)
        return failure(`${host} could not be reached: ${clean(faultWords(unwrapped(error)))}`)
      return failure(`${host} answered ${clean(response)}`, {
        answer: clean(response),
        isFinal: isFinal(responseCode, code),
      })
    } finally {
      signal.removeEventListener('abort', stop)
      if (isTaken) letGo(socket)
      else socket.destroy()
      transport.close()
    }
  }
}

/** Leaves the server a moment to answer `QUIT`, and no more. */
const letGo = (socket: Socket): void => {
  if (socket.destroyed) return
  const timer = setTimeout(() => socket.destroy(), GOODBYE_MS)
  socket.once('close', () => clearTimeout(timer))
}

/** The library hides the socket's own code behind one of its own. */
const unwrapped = (error: unknown): unknown => (error as { cause?: unknown }).cause ?? error

/** Messages of one incident are one conversation in a mail program. */
const threadOf = ({ incident }: Message): Record<string, string> =>
  incident === null ? {} : { References: `<incident-${incident.id.replace(/[^\w-]/g, '')}@tidegate>` }

const failure = (error: string, more: { answer?: string; isFinal?: boolean } = {}): Outcome => ({
  state: 'failed',
  error,
  answer: more.answer ?? null,
  isFinal: more.isFinal ?? false,
  retryAfterMs: null,
})
