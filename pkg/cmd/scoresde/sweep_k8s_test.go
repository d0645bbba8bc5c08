package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// TestManifest decodes the manifest as Kubernetes does, strictly, into its own types, with texts that try to break out of
// their place.
func TestManifest(t *testing.T) {
	t.Setenv("SCORESDE_RESULTS", t.TempDir())
	file := filepath.Join(t.TempDir(), "My_sweep.2.toml")
	if err := os.WriteFile(file, []byte("seeds = 20"), 0o644); err != nil {
		t.Fatal(err)
	}
	hostile := "a\"b: {c}\n  d: #'e"
	var out, errs bytes.Buffer
	args := []string{"k8s", file, "--image", hostile, "--claim", hostile, "--mount", "/x y", "--program", hostile, "--tasks", "5", "--at-once", "2", "--cpu", "2", "--memory", "4Gi", "--grace", "60"}
	if code := sweepMain(args, &out, &errs); code != 0 {
		t.Fatalf("code %d: %s", code, errs.String())
	}
	var job batchv1.Job
	if err := yaml.UnmarshalStrict(out.Bytes(), &job); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	spec := job.Spec
	pod := spec.Template.Spec
	box := pod.Containers[0]
	for name, ok := range map[string]bool{
		"kind":            job.APIVersion == "batch/v1" && job.Kind == "Job",
		"name":            job.Name == "scoresde-my-sweep-2",
		"completion mode": *spec.CompletionMode == batchv1.IndexedCompletion,
		"sizes":           *spec.Completions == 5 && *spec.Parallelism == 2 && *spec.BackoffLimitPerIndex == 6,
		"no retry of 42":  spec.PodFailurePolicy.Rules[0].Action == batchv1.PodFailurePolicyActionFailIndex && spec.PodFailurePolicy.Rules[0].OnExitCodes.Values[0] == 42,
		"its container":   *spec.PodFailurePolicy.Rules[0].OnExitCodes.ContainerName == box.Name,
		"disruption": spec.PodFailurePolicy.Rules[1].Action == batchv1.PodFailurePolicyActionIgnore &&
			spec.PodFailurePolicy.Rules[1].OnPodConditions[0].Type == corev1.DisruptionTarget,
		"never restarted": pod.RestartPolicy == corev1.RestartPolicyNever && *pod.TerminationGracePeriodSeconds == 60,
		"image":           box.Image == hostile,
		"claim":           pod.Volumes[0].PersistentVolumeClaim.ClaimName == hostile,
		"results":         box.Env[0].Name == "SCORESDE_RESULTS" && box.Env[0].Value == "/x y" && box.VolumeMounts[0].MountPath == "/x y",
		"memory":          box.Resources.Limits.Memory().Value() == 4<<30 && box.Resources.Requests.Cpu().Value() == 2,
	} {
		if !ok {
			t.Errorf("%s is wrong in\n%s", name, out.String())
		}
	}
	want := hostile + "|sweep|run|/x y/runs/sweeps/My_sweep.2|--index-from-env|--of|5"
	if got := strings.Join(box.Command, "|"); got != want {
		t.Errorf("command %q, want %q", got, want)
	}
	if err := yaml.UnmarshalStrict(append(out.Bytes(), "  completion: 1\n"...), &job); err == nil {
		t.Error("the check lets unknown fields pass")
	}
}
