import { configCheckRequestSchema, configCheckSchema, configInForceSchema } from '../answers/config.ts'
import { route, V1 } from './route.ts'

const tag = 'System'

/** The configuration: what is in force, and what is wrong with a file before it is used. */
export const configRoutes = {
  getConfig: route({
    method: 'GET',
    path: `${V1}/config`,
    tag,
    role: 'admin',
    summary: 'The configuration in force, secrets redacted, and what of the file is not in force',
    answer: configInForceSchema,
  }),
  checkConfig: route({
    method: 'POST',
    path: `${V1}/config/check`,
    tag,
    role: 'admin',
    summary: 'Every problem of a configuration, before it is put in force',
    body: configCheckRequestSchema,
    answer: configCheckSchema,
  }),
}
