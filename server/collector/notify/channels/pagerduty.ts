import type { ChannelConfig } from '../../../contract/index.ts'
import type { Channel } from './channel.ts'
import { httpPost } from './http-post.ts'
import type { Message } from './message.ts'
import type { Outcome } from './outcome.ts'

type Config = Extract<ChannelConfig, { kind: 'pagerduty' }>
type Action = 'trigger' | 'acknowledge' | 'resolve'

/** What the first half of a test may take, ms. */
const TRIGGER_MS = 5_000

/** The alert of a channel's summaries is closed when nothing of what they told is open any more. */
const actionOf = ({ kind, summary }: Message): Action => {
  if (kind === 'recovered' || summary?.stillOpen === 0) return 'resolve'
  return kind === 'acknowledged' ? 'acknowledge' : 'trigger'
}

/** One alert an incident, whatever is said of it; summaries of a channel are one alert too. */
const keyOf = ({ kind, incident, id, channel }: Message): string =>
  incident?.id ?? (kind === 'summary' ? `tidegate-summary-${channel}` : `tidegate-test-${id}`)

/** A service of PagerDuty, by its Events API v2 (https://developer.pagerduty.com/docs/events-api-v2-overview). */
export class PagerDutyChannel implements Channel {
  readonly target: string
  readonly #config: Config

  constructor(config: Config) {
    this.#config = config
    this.target = new URL(config.url).host
  }

  send(message: Message, signal: AbortSignal): Promise<Outcome> {
    return message.kind === 'test'
      ? this.#test(message, signal)
      : this.#event(actionOf(message), message, signal)
  }

  /** Opens an alert and closes it. A trigger without an answer may still have arrived, so half of the time is for closing it. */
  async #test(message: Message, signal: AbortSignal): Promise<Outcome> {
    const opened = await this.#event(
      'trigger',
      message,
      AbortSignal.any([signal, AbortSignal.timeout(TRIGGER_MS)]),
    )
    if (opened.state === 'failed' && opened.answer !== null) return opened
    let closed = await this.#event('resolve', message, signal)
    if (closed.state === 'failed' && !signal.aborted) closed = await this.#event('resolve', message, signal)
    if (opened.state === 'failed' || closed.state === 'sent') return opened
    // That the channel works was shown; what is left behind is said.
    const left = `its alert ${keyOf(message)} could not be closed, resolve it in PagerDuty: ${closed.error}`
    return { ...opened, answer: `${opened.answer ?? ''}; ${left}` }
  }

  #event(action: Action, message: Message, signal: AbortSignal): Promise<Outcome> {
    const { url, routingKey, ca } = this.#config
    const { headline, incident, severity, lines, at, link } = message
    const body = JSON.stringify({
      routing_key: routingKey,
      event_action: action,
      dedup_key: keyOf(message),
      client: 'Tidegate',
      client_url: link,
      links: [{ href: link, text: 'Open in Tidegate' }],
      ...(action === 'trigger'
        ? {
            payload: {
              // Of a summary PagerDuty takes 1 024 characters.
              summary: headline.slice(0, 1_024),
              source: incident?.nodes[0] ?? incident?.regions[0] ?? 'tidegate',
              severity,
              timestamp: incident?.startedAt ?? at,
              ...(incident === null
                ? {}
                : { group: incident.regions.join(', ').slice(0, 200), class: incident.lead }),
              custom_details: {
                ...Object.fromEntries(lines.map(({ label, text }) => [label, text])),
                'Notification id': message.id,
              },
            },
          }
        : {}),
    })
    return httpPost({
      url,
      headers: { 'Content-Type': 'application/json', 'Tidegate-Notification-Id': message.id },
      body,
      ca,
      secrets: [routingKey],
      signal,
    })
  }
}
