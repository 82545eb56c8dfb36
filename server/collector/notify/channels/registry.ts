import type { ChannelConfig } from '../../../contract/index.ts'
import type { Channel } from './channel.ts'
import { EmailChannel } from './email.ts'
import { NtfyChannel } from './ntfy.ts'
import { PagerDutyChannel } from './pagerduty.ts'
import { SlackChannel } from './slack.ts'
import { WebhookChannel } from './webhook.ts'

/** The channel of an entry of the configuration. */
export const openChannel = (config: ChannelConfig): Channel => {
  switch (config.kind) {
    case 'webhook':
      return new WebhookChannel(config)
    case 'slack':
      return new SlackChannel(config)
    case 'email':
      return new EmailChannel(config)
    case 'ntfy':
      return new NtfyChannel(config)
    case 'pagerduty':
      return new PagerDutyChannel(config)
  }
}
