import { z } from 'zod'
import { drainFields, entryFields } from './entry.ts'

/** HAProxy's own rule for names of proxies and servers; nothing in it could end a command. */
const proxyName = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[A-Za-z0-9_.:-]+$/, 'must be a name as HAProxy takes it: letters, digits, - _ . and :')

/** `10.0.0.4:9999`, `lb.internal:9999`, `[fd00::4]:9999`. */
const ADDRESS = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/

/** Host and port of an `address`; null where it is none. */
export const hostAndPort = (address: string): { host: string; port: number } | null => {
  const [, bracketed, plain, port] = ADDRESS.exec(address) ?? []
  const host = bracketed ?? plain
  const number = Number(port)
  return host === undefined || number < 1 || number > 65_535 ? null : { host, port: number }
}

/** An HAProxy by its runtime API: the process itself, or one server behind it. */
export const haproxyEntrySchema = z
  .object({
    ...entryFields,
    kind: z
      .literal('haproxy')
      .meta({ description: 'HAProxy, or one server behind it', examples: ['haproxy'] }),
    socket: z
      .string()
      .min(2)
      .max(100, 'must have at most 100 characters, as the system allows for a socket')
      .regex(/^\/[^\p{Cc}]+$/u, 'must be an absolute path, for example /run/haproxy.sock')
      .optional()
      .meta({
        description: 'Unix socket of the runtime API (`stats socket`); this or address',
        examples: ['/run/haproxy.sock'],
      }),
    address: z
      .string()
      .max(260)
      .refine((value) => hostAndPort(value) !== null, {
        message: 'must be host:port, for example 127.0.0.1:9999 or [::1]:9999',
      })
      .optional()
      .meta({
        description: 'Host and port of the runtime API (`stats socket ipv4@…`); this or socket',
        examples: ['127.0.0.1:9999'],
      }),
    backend: proxyName.optional().meta({
      description: 'With server: the node is one server of this backend instead of the whole process',
      examples: ['web'],
    }),
    server: proxyName.optional().meta({ description: 'The server of backend', examples: ['web-1'] }),
    keep: z
      .array(proxyName)
      .max(64)
      .optional()
      .meta({
        description:
          'Frontends that a drain of the process leaves open, and whose connections it does not wait for; default [stats]',
        examples: [['stats', 'health']],
      }),
    ...drainFields,
  })
  .strict()
  .superRefine((entry, context) => {
    const wrong = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message })
    if (entry.socket === undefined && entry.address === undefined)
      wrong('kind', 'must have a socket or an address beside it, for example socket: /run/haproxy.sock')
    if (entry.socket !== undefined && entry.address !== undefined)
      wrong('address', 'must not stand beside socket: a node is asked at one place')
    if (entry.backend !== undefined && entry.server === undefined)
      wrong('backend', 'must have a server beside it: both name one server, for example web and web-1')
    if (entry.server !== undefined && entry.backend === undefined)
      wrong('server', 'must have a backend beside it: both name one server, for example web and web-1')
    if (entry.server !== undefined && entry.keep !== undefined)
      wrong('keep', 'must not stand beside server: it is for the process itself')
  })
