import { z } from 'zod'
import { CHANNEL_KINDS, SIGNAL_FAMILIES } from './notifications.ts'

/** What a message is written into: control characters in it would become headers of their own. */
const CONTROL = /\p{Cc}/u

const isHttp = (value: string): boolean => {
  const url = URL.canParse(value) ? new URL(value) : null
  return url !== null && (url.protocol === 'http:' || url.protocol === 'https:') && url.username === ''
}

const httpAddress = (example: string) =>
  z
    .string()
    .max(2_000)
    .refine(isHttp, { message: `must be an http or https URL without a user, for example ${example}` })

const isSmtp = (value: string): boolean => {
  const url = URL.canParse(value) ? new URL(value) : null
  return (
    url !== null &&
    (url.protocol === 'smtp:' || url.protocol === 'smtps:') &&
    url.hostname !== '' &&
    url.pathname.replace('/', '') === ''
  )
}

/** User and password are taken as the URL escapes them (RFC 3986 §2.1). */
const isEscaped = (value: string): boolean => {
  const { username = '', password = '' } = URL.parse(value) ?? {}
  try {
    decodeURIComponent(username)
    decodeURIComponent(password)
    return true
  } catch {
    return false
  }
}

/** `name@host`, or `Name <name@host>`. */
const mailAddress = z
  .string()
  .max(320)
  .refine(
    (text) => !CONTROL.test(text) && /^(?:[^<>@]*<[^\s<>@]+@[^\s<>@]+>|[^\s<>@,;]+@[^\s<>@,;]+)$/.test(text),
    {
      message: 'must be an e-mail address, for example tidegate@example.com',
    },
  )

/** No control characters: it becomes part of a header. */
const plain = (least: number, most: number) =>
  z
    .string()
    .min(least)
    .max(most)
    .refine((text) => !CONTROL.test(text), { message: 'must be one line without control characters' })

const family = SIGNAL_FAMILIES.join('|')
const SIGNALS = new RegExp(`^(?:\\*|(?:${family})\\.(?:\\*|[a-z_]+))$`)

const common = {
  name: z
    .string()
    .regex(
      /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
      'must be 1 to 63 letters, digits, dots, dashes or underscores, for example team',
    )
    .optional()
    .meta({
      description:
        'Unique; stands in the list of deliveries, in metrics and in audit rows. Default: the kind.',
      examples: ['team'],
    }),
  min: z
    .enum(['info', 'warning', 'critical'])
    .default('info')
    .meta({ description: 'Incidents of at least this severity.', examples: ['warning'] }),
  regions: z
    .array(z.string().min(1).max(63))
    .max(1_000)
    .optional()
    .meta({ description: 'Incidents of at least one of these regions. Default: all.', examples: [['fra']] }),
  signals: z
    .array(
      z
        .string()
        .regex(SIGNALS, `must be a kind of signal or a family with .*, for example push.stuck or push.*`),
    )
    .max(100)
    .optional()
    .meta({
      description: 'Incidents with at least one of these signals; `push.*` is all of a family. Default: all.',
      examples: [['push.*']],
    }),
  groupWaitSeconds: z
    .number()
    .min(0)
    .max(3_600)
    .default(30)
    .meta({
      description: 'Seconds from a change to its message: what comes meanwhile stands in the same one.',
      examples: [30],
    }),
  repeatHours: z
    .number()
    .min(0.25)
    .max(168)
    .default(4)
    .meta({
      description: 'Hours after which an incident that nobody acknowledged is told again.',
      examples: [4],
    }),
  recovery: z
    .boolean()
    .default(true)
    .meta({
      description: 'Whether the end of an incident is told to those who were told of it.',
      examples: [true],
    }),
}

const ca = z
  .string()
  .min(1)
  .max(1_000)
  .optional()
  .meta({
    description:
      'PEM file of the authority that signed the receiver’s certificate, relative to this file. Default: the public ones.',
    examples: ['./ca.pem'],
  })

const webhookSchema = z
  .object({
    kind: z
      .literal('webhook')
      .meta({ description: 'JSON to an address of your own.', examples: ['webhook'] }),
    ...common,
    url: httpAddress('https://hooks.example.com/tidegate').meta({
      description: 'Where each message is posted to.',
      examples: ['https://hooks.example.com/tidegate'],
    }),
    secret: z
      .string()
      .min(16, 'must have at least 16 characters')
      .max(512)
      .optional()
      .meta({
        description:
          'Signs each request: `Tidegate-Signature: t=<unix seconds>,v1=<hex HMAC-SHA-256 of "t.body">`. Default: not signed.',
        examples: ['${HOOK_SECRET}'],
      }),
    ca,
  })
  .strict()

const slackSchema = z
  .object({
    kind: z.literal('slack').meta({
      description: 'An incoming webhook of Slack, or of what understands the same.',
      examples: ['slack'],
    }),
    ...common,
    url: httpAddress('https://hooks.slack.com/services/T000/B000/XXX').meta({
      description: 'The address of the incoming webhook; a secret.',
      examples: ['https://hooks.slack.com/services/T000/B000/XXX'],
    }),
    ca,
  })
  .strict()

const emailSchema = z
  .object({
    kind: z.literal('email').meta({ description: 'E-mail by SMTP.', examples: ['email'] }),
    ...common,
    smtp: z
      .string()
      .max(2_000)
      .refine(isSmtp, {
        message:
          'must be smtp:// or smtps:// with a host, for example smtps://user:password@mail.example.com:465',
      })
      .refine(isEscaped, {
        message: 'has a % in its user or password that escapes nothing; write %25 for it',
      })
      .meta({
        description:
          'The mail server. `smtps` is TLS from the start; `smtp` uses STARTTLS where it is offered, and always with a user on another machine.',
        examples: ['smtps://${SMTP_USER}:${SMTP_PASSWORD}@mail.example.com:465'],
      }),
    from: mailAddress.meta({ description: 'The sender.', examples: ['Tidegate <tidegate@example.com>'] }),
    to: z
      .array(mailAddress)
      .min(1, 'needs at least one address')
      .max(50)
      .meta({ description: 'The recipients.', examples: [['ops@example.com']] }),
    ca,
  })
  .strict()

const ntfySchema = z
  .object({
    kind: z.literal('ntfy').meta({ description: 'A topic of ntfy.', examples: ['ntfy'] }),
    ...common,
    url: httpAddress('https://ntfy.example.com/ops').meta({
      description: 'The address of the topic.',
      examples: ['https://ntfy.example.com/ops'],
    }),
    token: plain(1, 512)
      .optional()
      .meta({ description: 'An access token of ntfy. Default: none.', examples: ['${NTFY_TOKEN}'] }),
    ca,
  })
  .strict()

const pagerdutySchema = z
  .object({
    kind: z
      .literal('pagerduty')
      .meta({ description: 'A service of PagerDuty, by the Events API v2.', examples: ['pagerduty'] }),
    ...common,
    routingKey: plain(8, 128).meta({
      description: 'The integration key of the service.',
      examples: ['${PAGERDUTY_KEY}'],
    }),
    url: httpAddress('https://events.eu.pagerduty.com/v2/enqueue')
      .default('https://events.pagerduty.com/v2/enqueue')
      .meta({
        description: 'The endpoint of the Events API; another one for the EU region or a proxy.',
        examples: ['https://events.eu.pagerduty.com/v2/enqueue'],
      }),
    ca,
  })
  .strict()

/** One way to tell people; `kind` chooses how. */
const channelSchema = z.discriminatedUnion(
  'kind',
  [webhookSchema, slackSchema, emailSchema, ntfySchema, pagerdutySchema],
  {
    error: (issue) =>
      issue.code === 'invalid_union' ? `must be one of ${CHANNEL_KINDS.join(', ')}` : undefined,
  },
)

/** Who is told of incidents, of which, and how. */
export const notifySchema = z
  .array(channelSchema)
  .max(32)
  .superRefine((channels, issues) => {
    const names = new Set<string>()
    for (const [index, { name, kind }] of channels.entries()) {
      const known = name ?? kind
      if (names.has(known))
        issues.addIssue({
          code: 'custom',
          path: [index, 'name'],
          message: `must be unique; another channel is called ${known}`,
        })
      names.add(known)
    }
  })
  .transform((channels) => channels.map((channel) => ({ ...channel, name: channel.name ?? channel.kind })))
  .meta({ description: 'Who is told of incidents, and how.' })

export type ChannelConfig = z.output<typeof notifySchema>[number]
