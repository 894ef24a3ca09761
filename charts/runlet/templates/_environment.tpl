{{/*
  The environment of our processes: one variable for each key of ApiConfig and RunnerConfig (a test compares them), but for HOST: in a pod they listen on all addresses. A value that is not set is not passed on:
  its default has one home, the schema in the code.
*/}}

{{- define "runlet.apiEnvironment" -}}
{{- $values := .Values -}}
{{ include "runlet.commonEnvironment" . }}
{{- include "runlet.variables" (dict
  "PORT" 8080
  "LANGUAGES" (include "runlet.aliases" . | fromJson)
  "LIMITS" $values.limits
  "MAX_BODY_BYTES" $values.api.maxBodyBytes
  "MAX_CHECK_WAIT_MS" $values.api.maxCheckWaitMs
  "CORS_ORIGINS" (ternary nil (join "," $values.api.corsOrigins) (empty $values.api.corsOrigins))
  "CALLER_REQUESTS" $values.api.limits.requests
  "CALLER_WINDOW_SECONDS" $values.api.limits.windowSeconds
  "CALLER_RUNS" $values.api.limits.runs
  "CALLER_OUTSTANDING" $values.api.limits.outstanding
  "RECORD_CACHE_BYTES" $values.api.recordCacheBytes
) }}
- name: ID_KEY
  valueFrom:
    secretKeyRef:
      name: {{ include "runlet.idsSecret" . }}
      key: key
{{- with $values.api.keys.existingSecret }}
- name: API_KEY_HASHES
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: hashes
{{- end }}
{{- end -}}

{{- define "runlet.runnerEnvironment" -}}
{{- $values := .Values -}}
{{ include "runlet.commonEnvironment" . }}
{{- include "runlet.variables" (dict
  "LANGUAGES" (include "runlet.languages" . | fromJson)
  "DRAIN_SECONDS" $values.runner.drainSeconds
  "REFILL_AT_ONCE" $values.runner.refillAtOnce
  "MAX_IDLE_SECONDS" $values.runner.maxIdleSeconds
  "START_DEADLINE_MS" $values.runner.startDeadlineMs
  "UNSCHEDULABLE_GRACE_MS" $values.runner.unschedulableGraceMs
  "RECORD_BYTES" $values.records.recordBytes
  "RECORDED_BYTES" $values.records.totalBytes
  "JANITOR_INTERVAL_MS" $values.records.janitorIntervalMs
  "JOB_EVENTS" $values.sandboxes.events
) }}
- name: RUNNER_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- end -}}

{{- define "runlet.commonEnvironment" -}}
{{- $values := .Values -}}
{{- if $values.rabbitmq.enabled -}}
# Before the one that uses it: Kubernetes puts in only what it has read.
- name: RABBITMQ_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ include "runlet.rabbitmqSecret" . }}
      key: password
- name: AMQP_URL
  value: amqp://runlet:$(RABBITMQ_PASSWORD)@{{ include "runlet.name" . }}-rabbitmq:5672
{{- else -}}
- name: AMQP_URL
  valueFrom:
    secretKeyRef:
      name: {{ include "runlet.rabbitmqSecret" . }}
      key: url
{{- end }}
{{- include "runlet.variables" (dict
  "METRICS_PORT" 9090
  "NAMESPACE" (include "runlet.sandboxNamespace" .)
  "NESTED_NAMESPACE" (ternary (include "runlet.nestedNamespace" .) nil (eq (include "runlet.usesNested" .) "true"))
  "LOG_LEVEL" $values.logLevel
  "TIMINGS" $values.timings
  "RETENTION_SECONDS" $values.records.retentionSeconds
  "QUEUE_PREFIX" $values.queue.prefix
  "QUEUE_MAX_LENGTH" $values.queue.maxLength
  "RUN_QUEUE_MAX_LENGTH" $values.queue.runMaxLength
  "RUN_WAIT_MS" $values.api.runWaitMs
  "RUN_QUEUE_TTL_MS" $values.queue.runTtlMs
  "RUN_ADOPTED_MARGIN_MS" $values.queue.runAdoptedMarginMs
  "DELIVERY_LIMIT" $values.queue.deliveryLimit
  "TRACES_ENDPOINT" $values.telemetry.traces.endpoint
  "TRACES_RATIO" $values.telemetry.traces.ratio
) }}
{{- end -}}

{{/* Variables by name: only those whose value is set. Numbers from values are floats, which print as 1e+06 when nobody looks. */}}
{{- define "runlet.variables" -}}
{{- range $name, $value := . }}
{{- if not (or (kindIs "invalid" $value) (eq (toJson $value) "{}")) }}
- name: {{ $name }}
  {{- if kindIs "float64" $value }}
  value: {{ printf (ternary "%.0f" "%.6f" (eq (floor $value) $value)) $value | quote }}
  {{- else if kindIs "map" $value }}
  value: {{ toJson $value | quote }}
  {{- else }}
  value: {{ toString $value | quote }}
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What the API knows of the languages: not more, so that a change of a pool does not restart it. */}}
{{- define "runlet.aliases" -}}
{{- $languages := dict -}}
{{- range $name, $language := .Values.languages -}}
{{- if $language -}}{{- $_ := set $languages $name (dict "aliases" ($language.aliases | default list)) -}}{{- end -}}
{{- end -}}
{{ toJson $languages }}
{{- end -}}

{{/* What the runner knows of them: all that is set, with the image's full name. */}}
{{- define "runlet.languages" -}}
{{- $languages := dict -}}
{{- range $name, $language := .Values.languages -}}
{{- if $language -}}
{{- $settings := dict "imagePullPolicy" $.Values.image.pullPolicy -}}
{{- range $key, $value := $language -}}
{{- if not (kindIs "invalid" $value) -}}{{- $_ := set $settings $key $value -}}{{- end -}}
{{- end -}}
{{- $_ := set $settings "image" (include "runlet.image" (list $ $language.image)) -}}
{{- with $.Values.image.pullSecrets -}}
{{- $names := list -}}
{{- range . -}}{{- $names = append $names .name -}}{{- end -}}
{{- $_ := set $settings "imagePullSecrets" $names -}}
{{- end -}}
{{- $_ := set $languages $name $settings -}}
{{- end -}}
{{- end -}}
{{ toJson $languages }}
{{- end -}}

{{/* How many sandboxes all runners may hold, twice: during an upgrade the old ones drain beside the new ones. */}}
{{- define "runlet.podQuota" -}}
{{ mul 2 (include "runlet.largestPool" .) }}
{{- end -}}

{{- define "runlet.largestPool" -}}
{{- $sum := 0 -}}
{{- range .Values.languages -}}
{{- if . -}}{{- $sum = add $sum (int .max) -}}{{- end -}}
{{- end -}}
{{- $runner := .Values.runner -}}
{{ mul $sum (max 1 (int (ternary $runner.autoscaling.maxReplicas $runner.replicas $runner.autoscaling.enabled))) }}
{{- end -}}

{{/* Executions at a time in one Job of a language of the nested tier. */}}
{{- define "runlet.slots" -}}
{{ dig "nested" "slots" 4 . | int }}
{{- end -}}

{{- define "runlet.nestedPodQuota" -}}
{{- $sum := 0 -}}
{{- range .Values.languages -}}
{{- if . -}}{{- if eq (.tier | default "job") "nested" -}}
{{- $slots := include "runlet.slots" . | int -}}
{{- $sum = add $sum (div (sub (add (int .max) $slots) 1) $slots) -}}
{{- end -}}{{- end -}}
{{- end -}}
{{- $runner := .Values.runner -}}
{{ mul 4 $sum (max 1 (int (ternary (dig "autoscaling" "maxReplicas" 1 $runner) $runner.replicas (dig "autoscaling" "enabled" false $runner)))) }}
{{- end -}}

{{/* Of any language with the nested tier. */}}
{{- define "runlet.mostSlots" -}}
{{- $most := 1 -}}
{{- range .Values.languages -}}
{{- if . -}}{{- if eq (.tier | default "job") "nested" -}}{{- $most = max $most (include "runlet.slots" . | int) -}}{{- end -}}{{- end -}}
{{- end -}}
{{ $most }}
{{- end -}}

{{/* What pods read when they start, beyond their own spec: without this they would not notice that it changed. */}}
{{- define "runlet.checksums" -}}
checksum/rabbitmq-url: {{ .Values.rabbitmq.url | sha256sum }}
{{- end -}}

{{- define "runlet.probes" -}}
startupProbe:
  httpGet:
    path: /healthz
    port: metrics
  periodSeconds: 1
  failureThreshold: 120
readinessProbe:
  httpGet:
    path: /readyz
    port: metrics
  periodSeconds: 3
  timeoutSeconds: 3
livenessProbe:
  httpGet:
    path: /healthz
    port: metrics
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end -}}
