import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generate } from 'selfsigned'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  incidentMessage,
  type Message,
  testMessage,
} from '../../../server/collector/notify/channels/message.ts'
import type { Outcome } from '../../../server/collector/notify/channels/outcome.ts'
import { openChannel } from '../../../server/collector/notify/channels/registry.ts'
import type { Incident, NotificationKind } from '../../../server/contract/index.ts'
import { incident } from '../../store/fixtures.ts'
import { type Answer, type Receiver, startReceiver } from './receivers.ts'
import { channels, MINUTE, T } from './room.ts'

const folder = mkdtempSync(join(tmpdir(), 'tidegate-notify-'))
const ca = join(folder, 'ca.pem')
let tls: { key: string; cert: string }
let receiver: Receiver
const closers: (() => Promise<void> | void)[] = []

beforeAll(async () => {
  const made = await generate([{ name: 'commonName', value: '127.0.0.1' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
    ],
  })
  tls = { key: made.private, cert: made.cert }
  writeFileSync(ca, made.cert)
})
afterAll(() => rmSync(folder, { recursive: true }))
beforeEach(async () => {
  receiver = await startReceiver()
  closers.push(() => receiver.close())
})
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const ID = '01HV0000000000000000000001'
const message = (kind: NotificationKind = 'opened', more: Partial<Incident> = {}): Message =>
  incidentMessage(
    { id: ID, channel: 'team', now: T + 12 * MINUTE, url: 'https://gate.example.com' },
    kind,
    incident('i1', { impact: '24 pushes not delivered', ...more }),
    null,
  )
const send = (entry: Record<string, unknown>, what = message(), limitMs = 5_000): Promise<Outcome> => {
  const [config] = channels({ name: 'team', ...entry })
  return openChannel(config!).send(what, AbortSignal.timeout(limitMs))
}
const hook = (more: Record<string, unknown> = {}) => ({ kind: 'webhook', url: receiver.url, ...more })
const failed = (outcome: Outcome): Extract<Outcome, { state: 'failed' }> => {
  if (outcome.state !== 'failed') throw new Error(`it was ${JSON.stringify(outcome)}`)
  return outcome
}

describe('a webhook', () => {
  it('gets the message as JSON with its id, signed over time and body', async () => {
    const secret = 'a-secret-of-our-own-0123'
    const outcome = await send(hook({ secret }))
    expect(outcome).toEqual({ state: 'sent', answer: '200 ok' })
    const { headers, body, json } = receiver.received[0]!
    expect(headers['tidegate-notification-id']).toBe(ID)
    const [, t, v1] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['tidegate-signature']))!
    expect(createHmac('sha256', secret).update(`${t}.${body}`).digest('hex')).toBe(v1)
    expect(Math.abs(Number(t) - Date.now() / 1_000)).toBeLessThan(60)
    expect(json).toMatchObject({
      id: ID,
      kind: 'opened',
      severity: 'critical',
      headline: 'CRITICAL fra: Pushes are stuck on fra-1',
      link: 'https://gate.example.com/incidents/i1',
      incident: { id: 'i1', regions: ['fra'], nodes: ['fra-1'] },
    })
    expect(json.text).toMatch(/^What: 24 received, none delivered\nWhere: region fra, node fra-1\n/)
    expect(json.text).toContain(
      'Since: 2026-04-27 18:00 UTC (12 min ago)\nImpact: 24 pushes not delivered\nWhat to do: ',
    )
  })

  it('is not signed without a secret', async () => {
    await send(hook())
    expect(receiver.received[0]?.headers).not.toHaveProperty('tidegate-signature')
  })

  it.each<[string, Answer, Partial<Extract<Outcome, { state: 'failed' }>>]>([
    [
      'too many requests, and waits as long as it is asked',
      { status: 429, headers: { 'Retry-After': '7' } },
      { isFinal: false, retryAfterMs: 7_000 },
    ],
    ['a fault of the receiver', { status: 500, body: 'oh no' }, { isFinal: false, answer: '500 oh no' }],
    ['a refusal of this message', { status: 400, body: 'bad' }, { isFinal: true, answer: '400 bad' }],
    ['a secret that is wrong, which may be mended', { status: 401 }, { isFinal: false }],
    ['a channel that is gone, which may be mended', { status: 404 }, { isFinal: false }],
  ])('tells %s', async (_, answer, expected) => {
    receiver.always = answer
    expect(failed(await send(hook()))).toMatchObject(expected)
  })

  it('follows no redirect', async () => {
    const elsewhere = await startReceiver()
    closers.push(() => elsewhere.close())
    receiver.always = { status: 307, headers: { Location: elsewhere.url } }
    expect(failed(await send(hook())).error).toContain('a redirect, which is not followed')
    expect(elsewhere.received).toEqual([])
  })

  it('ends with its time where nobody answers', async () => {
    receiver.always = () => undefined
    expect(failed(await send(hook(), message(), 200)).error).toContain('did not answer in time')
  })

  it('is not taken where the connection is reset before a status', async () => {
    receiver.always = (response) => void response.socket?.resetAndDestroy()
    expect(failed(await send(hook())).error).toContain('reset')
  })

  it('is taken where the status says so and the rest is reset', async () => {
    receiver.always = (response) => {
      response.writeHead(200, { 'Content-Length': '100' })
      response.write('half', () => setTimeout(() => response.socket?.resetAndDestroy(), 50))
    }
    expect(await send(hook())).toMatchObject({ state: 'sent' })
  })

  it('reads little of an answer without end', async () => {
    receiver.always = (response) => {
      response.writeHead(500)
      const more = setInterval(() => response.write('x'.repeat(65_536)), 1)
      response.on('close', () => clearInterval(more))
    }
    expect(failed(await send(hook())).error.length).toBeLessThan(400)
  })

  it('repeats no secret that the receiver says back', async () => {
    const secret = 'a-secret-of-our-own-0123'
    receiver.always = { status: 500, body: `cannot use ${secret} for /path` }
    const { error } = failed(await send(hook({ secret })))
    expect(error).not.toContain(secret)
    expect(error).not.toContain('/path')
    expect(error).toContain('[redacted]')
  })

  it('is refused where nothing listens, in words', async () => {
    await receiver.close()
    expect(failed(await send(hook())).error).toMatch(
      /127\.0\.0\.1:\d+ could not be reached: nothing listens there/,
    )
  })

  it('trusts a certificate of an authority of one’s own, and no other', async () => {
    const safe = await startReceiver(tls)
    closers.push(() => safe.close())
    expect(failed(await send({ kind: 'webhook', url: safe.url })).error).toContain(
      'name its authority with ca',
    )
    expect(await send({ kind: 'webhook', url: safe.url, ca })).toMatchObject({ state: 'sent' })
    const other = safe.url.replace('127.0.0.1', 'localhost')
    expect(failed(await send({ kind: 'webhook', url: other, ca })).error).toContain(
      'its certificate is for another name',
    )
    expect(failed(await send({ kind: 'webhook', url: safe.url, ca: join(folder, 'no') })).error).toContain(
      'file of ca',
    )
    expect(safe.received).toHaveLength(1)
  })
})

describe('Slack', () => {
  it('gets text and blocks in which a name wakes nobody and marks nothing', async () => {
    const title = '<!channel> & *fra_1* is `down`'
    await send({ kind: 'slack', url: receiver.url }, message('opened', { title }))
    const { json, headers } = receiver.received[0]!
    expect(headers['tidegate-notification-id']).toBe(ID)
    const text = JSON.stringify(json)
    expect(text).not.toContain('<!channel>')
    expect(text).toContain('&lt;!channel&gt; &amp; ')
    expect(text).not.toContain('*fra_1*')
    expect(json.text).toMatch(/^CRITICAL fra: /)
    expect(JSON.stringify(json.blocks)).toContain('<https://gate.example.com/incidents/i1|Open in Tidegate>')
  })

  it('tells a workspace that has removed the webhook without its address', async () => {
    receiver.always = { status: 404, body: 'no_service' }
    const { error, isFinal } = failed(await send({ kind: 'slack', url: receiver.url }))
    expect([error, isFinal]).toEqual([expect.stringMatching(/answered 404 no_service$/), false])
  })
})

describe('ntfy', () => {
  it('gets title, priority, tags and a link as headers of which no name becomes another one', async () => {
    const title = 'fra-1 is down\r\nPriority: 1\r\n\r\nnö'
    const outcome = await send(
      { kind: 'ntfy', url: receiver.url, token: 'tk_0123456789' },
      message('opened', { title }),
    )
    expect(outcome.state).toBe('sent')
    const { headers, body, path } = receiver.received[0]!
    expect([path, headers.priority, headers.tags]).toEqual(['/path', '5', 'rotating_light'])
    expect(headers.authorization).toBe('Bearer tk_0123456789')
    expect(headers.click).toBe('https://gate.example.com/incidents/i1')
    const encoded = /^=\?UTF-8\?B\?(.+)\?=$/.exec(String(headers.title))?.[1]
    expect(Buffer.from(encoded!, 'base64').toString()).toMatch(
      /^CRITICAL fra: fra-1 is down *Priority: 1 *nö$/,
    )
    expect(body).toContain('What: 24 received')
  })

  it.each([
    ['critical', '5'],
    ['warning', '4'],
    ['info', '3'],
  ] as const)('ranks what is %s as %s', async (severity, priority) => {
    await send({ kind: 'ntfy', url: receiver.url }, message('opened', { severity }))
    expect(receiver.received[0]?.headers.priority).toBe(priority)
  })

  it('tells that it may not write to the topic', async () => {
    receiver.always = { status: 403, body: '{"code":40301,"error":"forbidden"}' }
    expect(failed(await send({ kind: 'ntfy', url: receiver.url }))).toMatchObject({
      isFinal: false,
      error: expect.stringContaining('403'),
    })
  })
})

describe('PagerDuty', () => {
  const pager = () => ({ kind: 'pagerduty', url: receiver.url, routingKey: 'R0123456789ABCDEF' })
  beforeEach(() => {
    receiver.always = { status: 202, body: '{"status":"success","dedup_key":"i1"}' }
  })

  it.each([
    ['opened', 'trigger'],
    ['updated', 'trigger'],
    ['repeated', 'trigger'],
    ['acknowledged', 'acknowledge'],
    ['recovered', 'resolve'],
  ] as const)('takes what was %s as %s of the incident', async (kind, action) => {
    expect((await send(pager(), message(kind, { resolvedAt: new Date(T).toISOString() }))).state).toBe('sent')
    const { json } = receiver.received[0]!
    expect(json).toMatchObject({ routing_key: 'R0123456789ABCDEF', event_action: action, dedup_key: 'i1' })
    if (action === 'trigger')
      expect(json.payload).toMatchObject({
        summary: expect.stringContaining('CRITICAL fra: '),
        severity: 'critical',
        source: 'fra-1',
        custom_details: { 'Notification id': ID },
      })
    else expect(json.payload).toBeUndefined()
  })

  const test = testMessage(
    { id: ID, channel: 'team', now: T, url: 'https://gate.example.com' },
    'pagerduty',
    'ana',
  )
  const events = () => receiver.received.map(({ json }) => [json.event_action, json.dedup_key])
  const [opens, closes] = (['trigger', 'resolve'] as const).map((action) => [action, `tidegate-test-${ID}`])

  it('gets a test as an alert that is closed again', async () => {
    expect(await send(pager(), test)).toMatchObject({ state: 'sent' })
    expect(events()).toEqual([opens, closes])
  })

  it('is asked once more to close the alert of a test, and what is left open is said', async () => {
    receiver.next = [{ status: 202 }, { status: 429 }]
    expect(await send(pager(), test)).toMatchObject({
      state: 'sent',
      answer: expect.not.stringContaining('closed'),
    })
    expect(events()).toEqual([opens, closes, closes])
    receiver.next = [{ status: 202 }, { status: 429 }, { status: 500, body: 'oh no' }]
    expect(await send(pager(), test)).toMatchObject({
      state: 'sent',
      answer: expect.stringMatching(/^202; its alert tidegate-test-\w+ could not be closed, .*500 oh no$/),
    })
  })

  it('is asked to close the alert of a test that may have arrived without an answer, not of one that was refused', async () => {
    receiver.next = [(response) => void response.destroy()]
    expect((await send(pager(), test)).state).toBe('failed')
    expect(events()).toEqual([opens, closes])
    receiver.received.length = 0
    receiver.next = [{ status: 400, body: 'wrong key' }]
    expect((await send(pager(), test)).state).toBe('failed')
    expect(events()).toEqual([opens])
  })

  it.each([
    [400, '{"status":"invalid event","errors":["bad"]}', true],
    [429, '', false],
    [503, '', false],
  ])('answers %i', async (status, body, isFinal) => {
    receiver.always = { status, body }
    expect(failed(await send(pager())).isFinal).toBe(isFinal)
  })
})

describe('e-mail', () => {
  interface Mail {
    from: string
    to: string[]
    text: string
    secure: boolean
    user: string | undefined
  }
  const startMail = async (options: SMTPServerOptions = {}) => {
    const mails: Mail[] = []
    const server = new SMTPServer({
      ...tls,
      disabledCommands: ['AUTH'],
      onData(stream, session, done) {
        let text = ''
        stream.on('data', (chunk: Buffer) => {
          text += chunk.toString('utf8')
        })
        stream.on('end', () => {
          const { mailFrom, rcptTo } = session.envelope
          mails.push({
            from: mailFrom === false ? '' : mailFrom.address,
            to: rcptTo.map(({ address }) => address),
            text,
            secure: session.secure,
            user: session.user === undefined ? undefined : String(session.user),
          })
          done()
        })
      },
      ...options,
    })
    server.on('error', () => undefined)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.server.address() as { port: number }
    closers.push(() => server.close())
    return { mails, port }
  }
  const mail = (smtp: string, more: Record<string, unknown> = {}) => ({
    kind: 'email',
    smtp,
    from: 'Tidegate <tidegate@example.com>',
    to: ['ana@example.com', 'ben@example.com'],
    ca,
    ...more,
  })

  it('goes by STARTTLS to every recipient, with an id of its own and one subject line', async () => {
    const { mails, port } = await startMail()
    const title = 'fra-1 is down\r\nBcc: eve@example.com\r\n\r\nhello'
    const outcome = await send(mail(`smtp://127.0.0.1:${port}`), message('opened', { title }))
    expect(outcome.state).toBe('sent')
    expect(mails).toMatchObject([
      { from: 'tidegate@example.com', to: ['ana@example.com', 'ben@example.com'], secure: true },
    ])
    const [head = ''] = mails[0]!.text.split('\r\n\r\n')
    expect(head).toMatch(/^Subject: CRITICAL fra: fra-1 is down/m)
    expect(head).not.toMatch(/^Bcc:/m)
    expect(head).toContain(`Message-ID: <${ID}@example.com>`)
    expect(head).toMatch(new RegExp(`^Tidegate-Notification-Id: ${ID}`, 'im'))
  })

  it('goes by TLS from the start, with a password', async () => {
    const { mails, port } = await startMail({
      secure: true,
      disabledCommands: [],
      onAuth({ username, password }, _session, done) {
        if (username === 'tide@gate' && password === 'p/s:s word') done(null, { user: username })
        else done(new Error('Invalid username or password'))
      },
    })
    const address = (password: string) =>
      `smtps://${encodeURIComponent('tide@gate')}:${encodeURIComponent(password)}@127.0.0.1:${port}`
    expect((await send(mail(address('p/s:s word')))).state).toBe('sent')
    expect(mails).toMatchObject([{ user: 'tide@gate' }])
    const refused = failed(await send(mail(address('wrong-password-1'))))
    expect(refused).toMatchObject({ isFinal: false, error: expect.stringContaining('535') })
    expect(refused.error).not.toContain('wrong-password-1')
  })

  it('refuses a certificate that nobody vouches for', async () => {
    const { mails, port } = await startMail({ secure: true })
    const outcome = failed(await send(mail(`smtps://127.0.0.1:${port}`, { ca: undefined })))
    expect(outcome.error).toMatch(/self-?signed|signed by itself/i)
    expect(mails).toEqual([])
  })

  it('arrives at the others where one recipient is refused, and says so', async () => {
    const { mails, port } = await startMail({
      onRcptTo({ address }, _session, done) {
        done(
          address.startsWith('ben') ? Object.assign(new Error('no such user'), { responseCode: 550 }) : null,
        )
      },
    })
    const outcome = await send(mail(`smtp://127.0.0.1:${port}`))
    expect(outcome).toMatchObject({
      state: 'sent',
      answer: expect.stringContaining('refused for ben@example.com'),
    })
    expect(mails).toMatchObject([{ to: ['ana@example.com'] }])
  })

  it.each([
    [550, true],
    [451, false],
  ])(
    'is tried again or given up by what the server says of all recipients: %i',
    async (responseCode, isFinal) => {
      const { port } = await startMail({
        onRcptTo: (_address, _session, done) =>
          done(Object.assign(new Error('greylisted or unknown'), { responseCode })),
      })
      const outcome = failed(await send(mail(`smtp://127.0.0.1:${port}`)))
      expect(outcome).toMatchObject({ isFinal, error: expect.stringContaining(String(responseCode)) })
    },
  )

  it('ends where nothing listens', async () => {
    expect(failed(await send(mail('smtp://127.0.0.1:1'))).error).toContain('nothing listens')
  })
})

describe('a receiver that says a little for ever', () => {
  /** Says `before` at once, and from then on a byte every 20 ms; counts who is connected. */
  const startDripping = async (answer: (socket: Socket, said: string) => string | null) => {
    const open = new Set<Socket>()
    let came = 0
    const server = createServer((socket) => {
      came += 1
      open.add(socket)
      let drip: NodeJS.Timeout | undefined
      const say = (said: string): void => {
        const text = answer(socket, said)
        if (text === null) drip ??= setInterval(() => socket.write('x'), 20)
        else if (text !== '') socket.write(text)
      }
      socket.on('data', (chunk: Buffer) => say(chunk.toString('latin1')))
      socket.on('error', () => undefined)
      socket.on('close', () => {
        clearInterval(drip)
        open.delete(socket)
      })
      say('')
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    closers.push(() => {
      for (const socket of open) socket.destroy()
      server.close()
    })
    return { port: (server.address() as AddressInfo).port, open, came: () => came }
  }
  const fifty = <T>(work: () => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: 50 }, work))

  const mailServer = (drips: string) => (_socket: Socket, said: string) => {
    const verb = said === '' ? 'greeting' : said.slice(0, 4).trim().toUpperCase()
    if (verb === drips) return null
    if (verb === 'greeting') return '220 mail\r\n'
    if (verb === 'EHLO') return '250 mail\r\n'
    if (verb === 'DATA') return '354 go\r\n'
    if (verb === 'MAIL' || verb === 'RCPT') return '250 ok\r\n'
    return /\r\n\.\r\n$/.test(said) ? '250 taken\r\n' : ''
  }
  it.each([
    ['greeting', 'failed'],
    ['EHLO', 'failed'],
    ['DATA', 'failed'],
    ['QUIT', 'sent'],
  ])('keeps no socket where it is a mail server that never ends its %s', async (verb, state) => {
    const { port, open, came } = await startDripping(mailServer(verb))
    const entry = {
      kind: 'email',
      smtp: `smtp://127.0.0.1:${port}`,
      from: 'a@example.com',
      to: ['b@example.com'],
    }
    const outcomes = await fifty(() => send(entry, message(), 1_000))
    expect(new Set(outcomes.map((outcome) => outcome.state))).toEqual(new Set([state]))
    expect(came()).toBe(50)
    await vi.waitFor(() => expect(open.size).toBe(0), { timeout: 4_000 })
  })

  const entries = (port: number) => {
    const url = `http://127.0.0.1:${port}/path`
    return [
      { kind: 'webhook', url },
      { kind: 'slack', url },
      { kind: 'ntfy', url },
      { kind: 'pagerduty', url, routingKey: 'R0123456789ABCDEF' },
    ]
  }
  it.each([
    ['webhook', 0],
    ['slack', 1],
    ['ntfy', 2],
    ['pagerduty', 3],
  ])('keeps no socket of %s where its head never ends', async (_, index) => {
    const { port, open } = await startDripping((socket, said) => {
      if (said === '') return ''
      socket.write('HTTP/1.1 200 OK\r\nX-Slow: ')
      return null
    })
    const outcomes = await fifty(() => send(entries(port)[index]!, message(), 1_000))
    expect(outcomes.map((outcome) => failed(outcome).error)[0]).toContain('did not answer in time')
    await vi.waitFor(() => expect(open.size).toBe(0), { timeout: 4_000 })
  })

  it.each([
    ['webhook', 0, 200],
    ['slack', 1, 200],
    ['ntfy', 2, 200],
    ['pagerduty', 3, 202],
    ['webhook', 0, 400],
  ])(
    'is believed by its status where the text of %s %i never ends (%i), and keeps no socket',
    async (_, index, status) => {
      const dripping = await startDripping((socket, said) => {
        if (said === '') return ''
        socket.write(`HTTP/1.1 ${status} Word\r\nContent-Type: text/plain\r\n\r\nthanks `)
        return null
      })
      const outcomes = await fifty(() => send(entries(dripping.port)[index]!, message(), 12_000))
      for (const outcome of outcomes) {
        if (status === 400) expect(failed(outcome).isFinal).toBe(true)
        else expect(outcome.state).toBe('sent')
        expect(outcome.answer).toContain(`${status} thanks`)
      }
      await vi.waitFor(() => expect(dripping.open.size).toBe(0), { timeout: 4_000 })
    },
  )
})

describe('what a lock screen shows', () => {
  it.each<[NotificationKind, Partial<Incident>, string]>([
    ['opened', {}, 'CRITICAL fra: Pushes are stuck on fra-1'],
    ['updated', { severity: 'warning' }, 'WARNING fra: Pushes are stuck on fra-1'],
    ['repeated', {}, 'STILL CRITICAL fra: Pushes are stuck on fra-1, for 12 min'],
    [
      'recovered',
      { state: 'resolved', resolvedAt: new Date(T + 5 * MINUTE).toISOString() },
      'RESOLVED fra after 5 min: Pushes are stuck on fra-1',
    ],
    ['opened', { regions: ['fra', 'iad', 'sfo'] }, 'CRITICAL fra, iad and 1 more: Pushes are stuck on fra-1'],
  ])('says severity, place and what within 60 characters: %s', (kind, more, headline) => {
    expect(message(kind, more).headline).toBe(headline)
    expect(headline.indexOf('Pushes are stuck')).toBeLessThan(60 - 'Pushes are stuck'.length)
  })

  it('has no character that would be obeyed instead of shown', () => {
    const title = 'a\u202eb\u0007c\nd'
    expect(message('opened', { title, impact: 'x\r\ny' }).headline).toBe('CRITICAL fra: ab c d')
    expect(JSON.stringify(message('opened', { impact: 'x\r\ny' }).lines)).not.toContain('\\r')
  })
})
