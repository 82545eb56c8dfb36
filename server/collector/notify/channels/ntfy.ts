import type { ChannelConfig } from '../../../contract/index.ts'
import type { Channel } from './channel.ts'
import { httpPost } from './http-post.ts'
import { isEnd, type Message } from './message.ts'
import { type Outcome, secretsOfUrl } from './outcome.ts'

type Config = Extract<ChannelConfig, { kind: 'ntfy' }>

const PRIORITY = { critical: '5', warning: '4', info: '3' } as const
const TAG = { critical: 'rotating_light', warning: 'warning', info: 'information_source' } as const

/** ntfy takes headers in UTF-8 by RFC 2047 (https://docs.ntfy.sh/publish/): a header of its own can hold ASCII alone. */
const headerText = (text: string): string => {
  const line = text.replace(/[\r\n\t]+/g, ' ')
  return /^[\x20-\x7e]*$/.test(line) ? line : `=?UTF-8?B?${Buffer.from(line).toString('base64')}?=`
}

/** A topic of ntfy: a phone. */
export class NtfyChannel implements Channel {
  readonly target: string
  readonly #config: Config

  constructor(config: Config) {
    this.#config = config
    this.target = new URL(config.url).host
  }

  send(message: Message, signal: AbortSignal): Promise<Outcome> {
    const { url, token, ca } = this.#config
    const { kind, severity, headline, lines, link, id } = message
    const isCalm = isEnd(message) || kind === 'test'
    return httpPost({
      url,
      headers: {
        'Content-Type': 'text/plain; charset=utf-8',
        Title: headerText(headline),
        Priority: isCalm ? '3' : PRIORITY[severity],
        Tags: isEnd(message) ? 'white_check_mark' : kind === 'test' ? 'wave' : TAG[severity],
        Click: headerText(link),
        'Tidegate-Notification-Id': id,
        ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
      },
      // The link is behind the message itself, and the title says the rest.
      body: lines.map(({ label, text }) => `${label}: ${text}`).join('\n'),
      ca,
      secrets: [...secretsOfUrl(url), ...(token === undefined ? [] : [token])],
      signal,
    })
  }
}
