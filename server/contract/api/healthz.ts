import { z } from 'zod'
import { liveSchema, readySchema } from '../answers/health-check.ts'
import { route } from './route.ts'

const tag = 'Health'

/** What load balancers and Prometheus ask. */
export const healthzRoutes = {
  getLive: route({
    method: 'GET',
    path: '/healthz/live',
    tag,
    role: null,
    summary: 'The process answers',
    answer: liveSchema,
  }),
  getReady: route({
    method: 'GET',
    path: '/healthz/ready',
    tag,
    role: null,
    summary: 'It can do its work: 503 while it starts, stops, or its store is unavailable',
    answer: readySchema,
    alsoStatus: { 503: 'Not ready, and why' },
  }),
  getMetrics: route({
    method: 'GET',
    path: '/metrics',
    tag,
    role: null,
    summary: "The collector's own figures for Prometheus",
    answer: z.string(),
    isText: true,
    also: { 'text/plain': 'Prometheus text format' },
  }),
}
