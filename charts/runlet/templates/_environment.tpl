{{/*
  The environment of our processes: one variable for each key of ApiConfig and RunnerConfig (a test compares them). A value that is not set is not passed on:
  its default has one home, the schema in the code.
*/}}

{{- define "runlet.apiEnvironment" -}}
{{- $values := .Values -}}
{{ include "runlet.commonEnvironment" . }}
{{- range $name, $value := dict
  "LISTEN_PORT" 8080
  "RECORD_CACHE_BYTES" $values.api.recordCacheBytes
}}
{{- include "runlet.variable" (list $name $value) }}
{{- end }}
- name: EXECUTION_ID_KEY
  valueFrom:
    secretKeyRef:
      name: {{ include "runlet.idsSecret" . }}
      key: key
{{- end -}}

{{- define "runlet.runnerEnvironment" -}}
{{- $values := .Values -}}
{{ include "runlet.commonEnvironment" . }}
{{- range $name, $value := dict
  "RECORD_BYTES" $values.records.recordBytes
}}
{{- include "runlet.variable" (list $name $value) }}
{{- end }}
- name: RUNNER_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- end -}}

{{- define "runlet.commonEnvironment" -}}
{{- $values := .Values -}}
{{- if $values.rabbitmq.enabled -}}
# Named before it is used: Kubernetes puts it into the next one.
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
{{- range $name, $value := dict
  "LOG_LEVEL" $values.logLevel
  "NAMESPACE" (include "runlet.sandboxNamespace" .)
  "LANGUAGES" (include "runlet.languages" . | fromJsonArray)
  "LIMITS" $values.limits
  "RETENTION_SECONDS" $values.records.retentionSeconds
  "QUEUE_PREFIX" $values.queue.prefix
  "QUEUE_MAX_LENGTH" $values.queue.maxLength
  "RUN_QUEUE_MAX_LENGTH" $values.queue.runMaxLength
  "RUN_QUEUE_TTL_MS" $values.queue.runTtlMs
  "DELIVERY_LIMIT" $values.queue.deliveryLimit
  "METRICS_PORT" 9090
}}
{{- include "runlet.variable" (list $name $value) }}
{{- end }}
{{- end -}}

{{/* What both processes know of the languages: a list of everything that is set, with the image's full name. */}}
{{- define "runlet.languages" -}}
{{- $root := . -}}
{{- $languages := list -}}
{{- range $name, $language := .Values.languages -}}
{{- if $language -}}
{{- $settings := dict "name" $name "imagePullPolicy" $root.Values.image.pullPolicy -}}
{{- range $key, $value := $language -}}
{{- if not (or (kindIs "invalid" $value) (has $key (list "enabled"))) -}}
{{- $_ := set $settings $key $value -}}
{{- end -}}
{{- end -}}
{{- $_ := set $settings "image" (include "runlet.image" (list $root $language.image)) -}}
{{- with $root.Values.image.pullSecrets -}}
{{- $names := list -}}
{{- range . -}}{{- $names = append $names .name -}}{{- end -}}
{{- $_ := set $settings "imagePullSecrets" $names -}}
{{- end -}}
{{- $languages = append $languages $settings -}}
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
{{ mul $sum (max 1 (int .Values.runner.replicas)) }}
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
