{{/*
  What may be in the namespaces of the sandboxes, whoever asks: three ValidatingAdmissionPolicies for each, since the rules of a cluster's other users are not known here. `pods` and `jobs` compare
  with the shape that k8s/job-spec.ts and k8s/nested-job-spec.ts build; a change there needs one here. `access` says who may do what.
*/}}

{{/* Call with (dict "root" $ "namespace" namespace "tier" "job" or "nested"). */}}
{{- define "runlet.admission" -}}
{{- $shape := include "runlet.admission.shape" . }}
{{- $languages := include "runlet.admission.languages" . }}
{{- $runner := printf "system:serviceaccount:%s:%s" .root.Release.Namespace (include "runlet.serviceAccount" (list .root "runner")) }}
{{- include "runlet.admission.head" (list . "pods") }}
    resourceRules:
      - apiGroups: [""]
        apiVersions: [v1]
        operations: [CREATE, UPDATE]
        resources: [pods]
  matchConditions:
    - name: is-new-or-other
      expression: request.operation == 'CREATE' || object.spec != oldObject.spec
  variables:
    - name: spec
      expression: object.spec
    - name: language
      expression: object.metadata.?labels[?'runlet.dev/language'].orValue('')
    {{- $languages | nindent 4 }}
  validations:
    - expression: request.operation == 'CREATE'
      message: A sandbox stays as it was made.
    # By its own account, or by that of all controllers where they share one.
    - expression: >-
        request.userInfo.username in ['system:serviceaccount:kube-system:job-controller', 'system:kube-controller-manager'] &&
        object.metadata.?ownerReferences.orValue([]).exists(owner, owner.apiVersion == 'batch/v1' && owner.kind == 'Job' && owner.?controller.orValue(false))
      message: Pods are made here for Jobs only.
    {{- $shape | nindent 4 }}
{{ include "runlet.admission.head" (list . "jobs") }}
    resourceRules:
      - apiGroups: [batch]
        apiVersions: [v1]
        operations: [CREATE, UPDATE]
        resources: [jobs]
  matchConditions:
    - name: is-new-or-other
      expression: request.operation == 'CREATE' || object.spec != oldObject.spec
    # What holds records only never has a pod.
    - name: has-pods
      expression: object.spec.?completions.orValue(1) != 0
  variables:
    - name: spec
      expression: object.spec.template.spec
    - name: language
      expression: object.spec.template.?metadata.?labels[?'runlet.dev/language'].orValue('')
    {{- $languages | nindent 4 }}
    {{- include "runlet.admission.placement" . | nindent 4 }}
  validations:
    - expression: request.operation == 'CREATE'
      message: A Job stays as it was made.
    - expression: >-
        object.spec.?completions.orValue(0) == 1 && object.spec.?parallelism.orValue(0) == 1 && object.spec.?backoffLimit.orValue(1) == 0 &&
        object.spec.?activeDeadlineSeconds.orValue(100000) <= 86400 && has(object.spec.ttlSecondsAfterFinished) && !has(object.spec.managedBy)
      message: A Job runs one pod, once, and both it and its time are bounded.
    - expression: object.spec.template.?metadata.?annotations.orValue({}).all(key, key == 'cluster-autoscaler.kubernetes.io/safe-to-evict')
      message: A pod has no annotations that a container runtime might read.
    # On Jobs, not on pods: the cluster adds to these there, for a RuntimeClass or a default PriorityClass.
    - expression: variables.spec.?nodeSelector.orValue({}) == variables.nodeSelectors[?variables.language].orValue({})
      message: The nodeSelector must be the one in the values of its language.
    - expression: >-
        variables.spec.?tolerations.orValue([]).map(toleration, toleration.?key.orValue('') + ' ' + toleration.?operator.orValue('') + ' ' +
        toleration.?value.orValue('') + ' ' + toleration.?effect.orValue('') + ' ' + string(toleration.?tolerationSeconds.orValue(-1))) ==
        variables.tolerations[?variables.language].orValue([])
      message: The tolerations must be those in the values of its language.
    - expression: variables.spec.?priorityClassName.orValue('') == variables.priorityClasses[?variables.language].orValue('')
      message: The priorityClassName must be the one in the values of its language.
    {{- $shape | nindent 4 }}
{{ include "runlet.admission.head" (list . "access") }}
    resourceRules:
      - apiGroups: [batch]
        apiVersions: [v1]
        operations: [CREATE]
        resources: [jobs]
      - apiGroups: [""]
        apiVersions: [v1]
        operations: [CONNECT]
        resources: [pods/attach, pods/exec, pods/portforward, pods/proxy]
      - apiGroups: [""]
        apiVersions: [v1]
        operations: [UPDATE]
        resources: [pods/ephemeralcontainers, pods/resize]
  validations:
    - expression: (request.resource.resource == 'jobs' || request.subResource == 'attach') && request.userInfo.username == {{ $runner | squote }}
      message: Only the runner may make Jobs here and attach to their pods, and nobody may run, forward, add or resize anything in them.
{{- end -}}

{{/* The beginning of a policy, up to its rules, behind the binding that puts it into effect. Call with (list arguments part). */}}
{{- define "runlet.admission.head" -}}
{{- $arguments := index . 0 }}
{{- $name := printf "%s-%s" $arguments.namespace (index . 1) }}
{{- $labels := include "runlet.labels" (list $arguments.root (ternary "nested" "sandboxes" (eq $arguments.tier "nested"))) }}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ $name }}
  labels: {{- $labels | nindent 4 }}
spec:
  policyName: {{ $name }}
  validationActions: [Deny]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {{ $name }}
  labels: {{- $labels | nindent 4 }}
spec:
  failurePolicy: Fail
  matchConstraints:
    namespaceSelector:
      matchLabels:
        kubernetes.io/metadata.name: {{ $arguments.namespace }}
{{- end -}}

{{/*
  What languages of the tier may have, as maps by their names, which CEL reads as they are in JSON. In the job tier are all of them: it takes those of the nested tier where that does not work.
*/}}
{{- define "runlet.admission.languages" -}}
{{- $repositories := dict }}{{- $runtimeClasses := dict }}{{- $userNamespaces := list }}{{- $profiles := dict }}
{{- $tier := .tier }}
{{- $root := .root }}
{{- range $name, $language := .root.Values.languages }}
  {{- if $language }}{{- if has $tier (list "job" ($language.tier | default "job")) }}
    {{- $_ := set $repositories $name (include "runlet.repository" (include "runlet.image" (list $root $language.image))) }}
    {{- with $language.runtimeClassName }}{{- $_ := set $runtimeClasses $name . }}{{- end }}
    {{- with $language.localhostSeccompProfile }}{{- $_ := set $profiles $name . }}{{- end }}
    {{- if or (eq $tier "nested") (eq (toString $language.hostUsers) "false") }}{{- $userNamespaces = append $userNamespaces $name }}{{- end }}
  {{- end }}{{- end }}
{{- end -}}
- name: container
  expression: variables.spec.containers[0]
- name: security
  expression: variables.container.?securityContext.orValue({})
- name: repositories
  expression: {{ $repositories | toJson | quote }}
- name: repository
  expression: variables.repositories[?variables.language].orValue('')
- name: runtimeClasses
  expression: {{ $runtimeClasses | toJson | quote }}
- name: hasUserNamespace
  expression: {{ printf "variables.language in %s" ($userNamespaces | toJson) | quote }}
{{- if eq $tier "job" }}
- name: profiles
  expression: {{ $profiles | toJson | quote }}
- name: profile
  expression: variables.profiles[?variables.language].orValue('')
{{- end }}
{{- end -}}

{{- define "runlet.admission.placement" -}}
{{- $nodeSelectors := dict }}{{- $tolerations := dict }}{{- $priorityClasses := dict }}
{{- range $name, $language := .root.Values.languages }}
  {{- if $language }}
    {{- with $language.nodeSelector }}{{- $_ := set $nodeSelectors $name . }}{{- end }}
    {{- with $language.priorityClassName }}{{- $_ := set $priorityClasses $name . }}{{- end }}
    {{- $texts := list }}
    {{- range $language.tolerations }}
      {{- $seconds := -1 }}{{- if hasKey . "tolerationSeconds" }}{{- $seconds = int64 .tolerationSeconds }}{{- end }}
      {{- $texts = append $texts (printf "%s %s %s %s %d" (.key | default "") (.operator | default "") (.value | default "") (.effect | default "") $seconds) }}
    {{- end }}
    {{- if $texts }}{{- $_ := set $tolerations $name $texts }}{{- end }}
  {{- end }}
{{- end -}}
- name: nodeSelectors
  expression: {{ $nodeSelectors | toJson | quote }}
- name: tolerations
  expression: {{ $tolerations | toJson | quote }}
- name: priorityClasses
  expression: {{ $priorityClasses | toJson | quote }}
{{- end -}}

{{- define "runlet.admission.shape" -}}
- expression: >-
    variables.repository != '' && (variables.container.image == variables.repository || (variables.container.image.startsWith(variables.repository) &&
    variables.container.image.substring(size(variables.repository)).matches('^(:[A-Za-z0-9_.-]+)?(@[a-z0-9]+:[a-f0-9]+)?$')))
  message: The image must be that of its language, of any version; the label runlet.dev/language must name one that this tier has.
- expression: variables.spec.?runtimeClassName.orValue('') == variables.runtimeClasses[?variables.language].orValue('')
  message: The runtimeClassName must be the one in the values of its language.
- expression: variables.spec.?hostUsers.orValue(true) == !variables.hasUserNamespace
  message: hostUsers must be as the values of its language say, and false with the nested tier; a cluster without user namespaces drops it.
- expression: >-
    !variables.spec.?hostNetwork.orValue(false) && !variables.spec.?hostPID.orValue(false) && !variables.spec.?hostIPC.orValue(false) &&
    !variables.spec.?shareProcessNamespace.orValue(false)
  message: The namespaces of the node must not be shared.
- expression: >-
    !has(variables.spec.nodeName) && !has(variables.spec.affinity) && !has(variables.spec.resourceClaims) && !has(variables.spec.schedulingGates) &&
    !has(variables.spec.topologySpreadConstraints) && variables.spec.?schedulerName.orValue('default-scheduler') == 'default-scheduler'
  message: The scheduler decides alone where it runs, and no devices can be had.
- expression: >-
    variables.spec.?dnsPolicy.orValue('') == 'None' && variables.spec.?dnsConfig.?nameservers.orValue([]) == ['127.0.0.1'] &&
    !has(variables.spec.dnsConfig.searches) && !has(variables.spec.hostAliases) && !has(variables.spec.subdomain)
  message: No names of the cluster may be known inside.
- expression: >-
    size(variables.spec.containers) == 1 && size(variables.spec.?initContainers.orValue([])) == 0 &&
    size(variables.spec.?ephemeralContainers.orValue([])) == 0 && variables.spec.?restartPolicy.orValue('') == 'Never'
  message: There must be one container, that runs once.
- expression: >-
    !has(variables.container.command) && !has(variables.container.env) && !has(variables.container.envFrom) && !has(variables.container.ports) &&
    !has(variables.container.lifecycle) && !has(variables.container.livenessProbe) && !has(variables.container.readinessProbe) &&
    !has(variables.container.startupProbe) && !has(variables.container.volumeDevices) && !has(variables.container.workingDir) && !has(variables.container.restartPolicy) &&
    variables.container.?stdin.orValue(false) && variables.container.?stdinOnce.orValue(false) && !variables.container.?tty.orValue(false) &&
    variables.container.?terminationMessagePath.orValue('') == '/root/termination-log'
  message: The agent must be started as its image says, and end with its input.
- expression: variables.spec.?automountServiceAccountToken.orValue(true) == false && variables.spec.?serviceAccountName.orValue('default') == 'default' && variables.spec.?enableServiceLinks.orValue(true) == false
  message: The pod must have no rights in the cluster.
- expression: >-
    variables.spec.?volumes.orValue([]).all(volume, has(volume.emptyDir) && volume.emptyDir.?medium.orValue('') == 'Memory' && has(volume.emptyDir.sizeLimit)) &&
    variables.container.?volumeMounts.orValue([]).all(mount, mount.mountPath in ['/tmp', '/dev/shm'] && !has(mount.mountPropagation))
  message: Volumes must be memory of a bounded size at /tmp and /dev/shm.
- expression: >-
    ['cpu', 'memory', 'ephemeral-storage'].all(name, name in variables.container.?resources.?limits.orValue({})) && !has(variables.container.resources.claims)
  message: CPU, memory and ephemeral storage must have limits.
- expression: >-
    variables.security.?privileged.orValue(false) == false && variables.security.?allowPrivilegeEscalation.orValue(true) == false &&
    variables.security.?readOnlyRootFilesystem.orValue(false) == true && variables.security.?capabilities.?drop.orValue([]) == ['ALL'] &&
    !has(variables.security.seccompProfile) && !has(variables.security.appArmorProfile) && !has(variables.security.seLinuxOptions) &&
    !has(variables.security.runAsUser) && !has(variables.security.runAsGroup) && !has(variables.security.runAsNonRoot)
  message: The container must be closed.
- expression: >-
    !has(variables.spec.securityContext.appArmorProfile) && !has(variables.spec.securityContext.seLinuxOptions) &&
    !has(variables.spec.securityContext.sysctls) && !has(variables.spec.securityContext.fsGroup) &&
    size(variables.spec.securityContext.?supplementalGroups.orValue([])) == 0
  message: The pod must have nothing of its own in its security context but a user and a seccomp profile.
{{- if eq .tier "job" }}
- expression: >-
    variables.profile == '' ? variables.spec.?securityContext.?seccompProfile.?type.orValue('') == 'RuntimeDefault' :
    variables.spec.?securityContext.?seccompProfile.?localhostProfile.orValue('') == variables.profile
  message: The seccomp profile must be that of the runtime, or the one in the values of its language.
- expression: >-
    !has(variables.container.args) && variables.security.?procMount.orValue('Default') == 'Default' && size(variables.security.?capabilities.?add.orValue([])) == 0
  message: The agent of this tier takes no arguments and no capabilities.
- expression: >-
    variables.spec.?securityContext.?runAsNonRoot.orValue(false) && variables.spec.?securityContext.?runAsUser.orValue(0) >= 10000 &&
    variables.spec.securityContext.?runAsGroup.orValue(0) == variables.spec.securityContext.runAsUser
  message: Each sandbox has a user and group of its own, that are not those of the system.
{{- else }}
- expression: variables.spec.?securityContext.?seccompProfile.?type.orValue('') == 'RuntimeDefault'
  message: The seccomp profile must be that of the runtime.
- expression: >-
    has(variables.container.args) && size(variables.container.args) == 2 && variables.container.args[0] == '--slots' &&
    variables.container.args[1].matches('^[1-9][0-9]?$')
  message: The agent of this tier must be told the number of its slots, and nothing else.
- expression: >-
    variables.security.?capabilities.?add.orValue([]).all(name, name in ['SYS_ADMIN', 'SETUID', 'SETGID', 'KILL']) &&
    variables.security.?procMount.orValue('Default') in ['Default', 'Unmasked']
  message: No other capabilities than SYS_ADMIN, SETUID, SETGID and KILL can be had.
{{- end }}
{{- end -}}
