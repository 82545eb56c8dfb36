import { z } from 'zod'
import { listenPort } from './config-fields.ts'

/** Who gives the certificates of routes with `certificate: auto`, and how they are asked for. */
export const acmeConfigSchema = z
  .object({
    email: z
      .string()
      .regex(/^[^\s@,?&%]{1,64}@[^\s@,?&%]{1,255}$/, 'must be an e-mail address')
      .optional()
      .meta({ description: 'Whom the authority writes to', examples: ['ops@example.com'] }),
    directoryUrl: z
      .url({ protocol: /^https$/, error: 'must be a URL that begins with https://' })
      .max(2048)
      .default('https://acme-v02.api.letsencrypt.org/directory')
      .meta({
        description: 'Directory of the authority (RFC 8555). To use it is to agree to its terms of service',
        examples: ['https://acme-staging-v02.api.letsencrypt.org/directory'],
      }),
    challengePort: listenPort(
      'Port at which names are proved. Authorities ask at 80: another one is for those behind something that forwards 80 to it. Where no route reads plain requests there, the node listens by itself',
      8081,
    ).default(80),
    store: z
      .string()
      .min(1)
      .max(4096)
      .default('./acme')
      .meta({
        description: 'Folder of accounts, certificates and keys, which nobody else may read',
        examples: ['/var/lib/tidegate/acme'],
      }),
    renewDays: z
      .number()
      .int()
      .min(1)
      .max(365)
      .default(30)
      .meta({
        description:
          'Days before its end at which a certificate is renewed, though not before half of its life has passed',
        examples: [14],
      }),
    ca: z
      .string()
      .min(1)
      .max(262_144)
      .optional()
      .meta({
        description:
          'The authorities that the directory itself is trusted by, instead of the built-in ones: a PEM file, or the PEM text itself',
        examples: ['./test-ca.pem'],
      }),
  })
  .strict()
export type AcmeConfig = z.infer<typeof acmeConfigSchema>
