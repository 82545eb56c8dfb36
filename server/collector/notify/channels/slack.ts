import type { ChannelConfig } from '../../../contract/index.ts'
import type { Channel } from './channel.ts'
import { httpPost } from './http-post.ts'
import { isEnd, type Message } from './message.ts'
import { type Outcome, secretsOfUrl } from './outcome.ts'

type Config = Extract<ChannelConfig, { kind: 'slack' }>

/** Slack's own limit of a text in a section is 3 000 characters. */
const MAX_SECTION = 2_900

/**
 * Slack reads `&`, `<` and `>` (https://docs.slack.dev/messaging/formatting-message-text#escaping); a name such as `<!channel>` would
 * wake everybody. What marks bold, italic and code is taken apart by a zero-width joiner, which nobody sees.
 */
const escaped = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replace(/[*~`]|\b_\B|\B_\b/g, '\u200d$&\u200d')

const markOf = (message: Message): string => {
  const { kind, severity } = message
  if (isEnd(message)) return ':white_check_mark:'
  if (kind === 'test') return ':wave:'
  return severity === 'critical'
    ? ':rotating_light:'
    : severity === 'warning'
      ? ':warning:'
      : ':information_source:'
}

const cut = (text: string): string => (text.length <= MAX_SECTION ? text : `${text.slice(0, MAX_SECTION)}…`)

/** An incoming webhook of Slack, or of what understands the same. */
export class SlackChannel implements Channel {
  readonly target: string
  readonly #config: Config

  constructor(config: Config) {
    this.#config = config
    this.target = new URL(config.url).host
  }

  send(message: Message, signal: AbortSignal): Promise<Outcome> {
    const { url, ca } = this.#config
    const headline = escaped(message.headline)
    const lines = message.lines.map(({ label, text }) => `*${label}* ${escaped(text)}`).join('\n')
    const body = JSON.stringify({
      text: headline,
      blocks: [
        { type: 'section', text: { type: 'mrkdwn', text: `${markOf(message)} *${headline}*` } },
        { type: 'section', text: { type: 'mrkdwn', text: cut(lines) } },
        {
          type: 'context',
          elements: [
            {
              type: 'mrkdwn',
              text: `<${message.link.replaceAll('|', '%7C').replaceAll('>', '%3E')}|Open in Tidegate> · ${message.id}`,
            },
          ],
        },
      ],
    })
    return httpPost({
      url,
      headers: { 'Content-Type': 'application/json', 'Tidegate-Notification-Id': message.id },
      body,
      ca,
      secrets: secretsOfUrl(url),
      signal,
    })
  }
}
