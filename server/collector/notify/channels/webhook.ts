import type { ChannelConfig } from '../../../contract/index.ts'
import { signatureOf } from '../../../wire/signature.ts'
import type { Channel } from './channel.ts'
import { httpPost } from './http-post.ts'
import { type Message, textOf } from './message.ts'
import { type Outcome, secretsOfUrl } from './outcome.ts'

type Config = Extract<ChannelConfig, { kind: 'webhook' }>

/** JSON to an address of one's own. */
export class WebhookChannel implements Channel {
  readonly target: string
  readonly #config: Config

  constructor(config: Config) {
    this.#config = config
    this.target = new URL(config.url).host
  }

  send(message: Message, signal: AbortSignal): Promise<Outcome> {
    const { url, secret, ca } = this.#config
    const body = JSON.stringify({ ...message, text: textOf(message) })
    return httpPost({
      url,
      headers: {
        'Content-Type': 'application/json',
        'Tidegate-Notification-Id': message.id,
        ...(secret === undefined ? {} : { 'Tidegate-Signature': signatureOf(secret, body, Date.now()) }),
      },
      body,
      ca,
      secrets: [...secretsOfUrl(url), ...(secret === undefined ? [] : [secret])],
      signal,
    })
  }
}
