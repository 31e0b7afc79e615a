//! What every store must let the guard promise.
//!
//! Each behaviour is a test over any [`Harness`](crate::support::Harness); `conformance!` makes
//! them the tests of one store. The numbers are those of the catalogue of behaviours that the guard
//! was built by.
//!
//! | numbers | tests |
//! |---|---|
//! | 1, 63 | `first_call_runs_the_work_with_two_requests` |
//! | 2, 5, 75 | `finished_call_is_replayed_with_one_request` |
//! | 4 | `expired_result_is_run_again_and_overwritten`, `result_is_replayed_until_its_last_second` |
//! | 6 | `equal_keys_of_a_batch_are_one_call` |
//! | 7, 8, 9, 72 | `small_values_replay_as_themselves` |
//! | 11, 74 | `live_claim_answers_busy` |
//! | 13, 15, 18 | `lapsed_claim_is_taken_over_and_not_before` |
//! | 14, 22 | `record_that_keeps_changing_is_given_up` |
//! | 16, 17 | the lease is an argument; `in_progress_without_a_lease_is_locked_until_it_expires` |
//! | 19 | `one_of_two_calls_at_the_same_time_runs` |
//! | 20, 21 | `calls_on_different_keys_do_not_mix`, `memory::threads_do_not_mix` |
//! | 23 | `one_of_two_takes_over` |
//! | 24, 79 | `error_of_the_work_releases_the_key` |
//! | 25 | `error_of_the_work_survives_a_failed_release` |
//! | 26, 27 | `completion_that_is_lost_says_so`, `replay_that_cannot_be_read_says_so` |
//! | 28, 76 | `store_that_is_down_fails_closed` |
//! | 29, 92 | `panic_releases_the_key_and_goes_on`, `panic_of_one_record_leaves_the_others_done` |
//! | 30 | `layer::what_fails_before_the_guard_asks_nothing` |
//! | 31 | `refused_calls_leave_the_record_as_it_is` |
//! | 32, 33, 35, 37, 38 | `another_payload_is_a_mismatch` |
//! | 40, 43 | `keys`, `missing_key_runs_nothing_and_asks_nothing` |
//! | 10 | `keys_are_of_what_the_work_is_given` of the keys, `layer::envelope_makes_no_difference` |
//! | 46 | `work_may_change_what_its_key_was_made_of` |
//! | 48 | `keys_are_the_same_in_every_process_and_every_version` of the keys |
//! | 54 | `whatever_can_be_written_as_json_is_a_key` of the keys |
//! | 39, 53, 58 | `keys` |
//! | 47, 49, 57 | `operations_do_not_meet` |
//! | 62, 98 | `result_of_another_type_is_an_error`, `named_results_are_not_read_under_another_name` |
//! | 64, 65 | `replays_say_when_they_will_be_forgotten` |
//! | 71 | `unreadable_record_is_an_error` |
//! | 77 | `corrupt_result_is_an_error` |
//! | 80, 81 | `zombie_neither_completes_nor_releases`, `zombie_answers_with_the_result_that_stands` |
//! | 82 | `lost_answer_to_a_claim_is_recognised` |
//! | 83 | `lost_answer_to_a_completion_is_recognised` |
//! | 84 | `lost_answer_to_a_commit_is_recognised`, `commit_without_any_answer_is_cleared_up` |
//! | 85 | `attempts_rise_over_release_takeover_and_expiry` |
//! | 86 | `another_payload_does_not_take_over_a_lapsed_claim` |
//! | 87 | `contended_record_is_busy_and_no_fault`, `contended_commit_waits` |
//! | 88, 89 | `results_of_any_size_are_replayed`, `missing_spill_is_an_error` |
//! | 90 | `at_most_once_never_runs_again` |
//! | 91 | `permanent_error_is_recorded_and_replayed` |
//! | 93 | `dropped_call_locks_its_key_until_the_lease_is_over` |
//! | 94 | `calls_of_one_process_wait_without_requests` |
//! | 95 | `record_that_vanishes_does_not_take_the_result_along`, `record_in_progress_outlives_its_lease` |
//! | 96 | `clocks_may_differ_by_a_second` |
//! | 97 | `attempts_are_bounded`, `attempts_are_bounded_until_the_record_is_deleted` |
//! | 99 | `record_of_a_newer_schema_is_an_error` |
//! | 100 | `too_little_time_claims_nothing` |
//!
//! What makes no sense here:
//!
//! | numbers | why |
//! |---|---|
//! | 3, 12, 34, 36, 67–70 | there is no cache in the process: a duplicate costs one small write, and what somebody on call resolves must be seen at once |
//! | 41, 45 | keys are made of values in Rust, not by expressions over a document |
//! | 42, 44 | a call without a key is an error; work without protection is run without the guard |
//! | 50, 51, 52 | names of tables and attributes are those of one store, and tested there |
//! | 55, 56, 59, 60, 61 | what is passed on, and how it is written, is said by types and does not compile otherwise |
//! | 66 | nothing but a configuration reads the environment, and a guard that an environment switches off protects nothing |
//! | 73 | a claim is re-entered by nobody; durable executions keep their own record |
//! | 78 | there is no second lock for orphans: one condition takes over |

pub(crate) mod batches;
pub(crate) mod calls;
pub(crate) mod claims;
pub(crate) mod desk;
pub(crate) mod reports;
pub(crate) mod results;
pub(crate) mod writes;

/// Makes all behaviours the tests of one store: `run` is given each of them.
macro_rules! conformance {
    ($run:path) => {
        $crate::conformance::conformance! { @tests $run =>
            calls::first_call_runs_the_work_with_two_requests
            calls::finished_call_is_replayed_with_one_request
            calls::expired_result_is_run_again_and_overwritten
            calls::result_is_replayed_until_its_last_second
            calls::small_values_replay_as_themselves
            calls::live_claim_answers_busy
            calls::refused_calls_leave_the_record_as_it_is
            calls::one_of_two_calls_at_the_same_time_runs
            calls::calls_on_different_keys_do_not_mix
            calls::error_of_the_work_releases_the_key
            calls::error_of_the_work_survives_a_failed_release
            calls::permanent_error_is_recorded_and_replayed
            calls::faults_decide_by_themselves_what_becomes_of_the_key
            calls::held_key_is_busy_until_its_lease_is_over
            calls::another_payload_is_a_mismatch
            calls::another_payload_does_not_take_over_a_lapsed_claim
            calls::fingerprint_outlives_a_call_without_one
            calls::corrected_payload_runs_after_one_that_was_given_back
            calls::missing_key_runs_nothing_and_asks_nothing
            calls::operations_do_not_meet
            calls::store_that_is_down_fails_closed
            calls::store_that_is_down_can_fail_open
            calls::store_that_answers_is_not_down
            calls::nothing_is_kept_where_nothing_is_to_be
            calls::receipt_is_replayed_in_place_of_the_result
            calls::result_that_is_no_json_is_not_run_again
            calls::panic_in_a_receipt_is_one_of_the_work
            calls::what_json_does_not_carry_back_is_not_run_again
            calls::work_may_change_what_its_key_was_made_of
            calls::dropped_call_locks_its_key_until_the_lease_is_over
            calls::replays_say_when_they_will_be_forgotten
            claims::lapsed_claim_is_taken_over_and_not_before
            claims::one_of_two_takes_over
            claims::salt_is_drawn_once_for_each_record
            claims::late_completion_counts_while_nobody_took_over
            claims::zombie_neither_completes_nor_releases
            claims::zombie_answers_with_the_result_that_stands
            claims::overtaken_call_tells_that_its_work_was_run
            claims::attempts_rise_over_release_takeover_and_expiry
            claims::downstream_keys_are_stable_over_attempts
            claims::lost_answer_to_a_claim_is_recognised
            claims::lost_answer_to_a_completion_is_recognised
            claims::lost_answers_to_releases_and_heartbeats_are_recognised
            claims::at_most_once_never_runs_again
            claims::claim_without_an_answer_is_no_interrupted_work
            claims::heartbeat_keeps_a_short_lease
            claims::crash_frees_a_short_lease_soon
            claims::heartbeat_that_lost_its_lease_cancels_the_work
            claims::heartbeat_without_answers_cancels_the_work_in_time
            claims::trouble_with_a_heartbeat_is_survived
            claims::work_is_cancelled_before_its_lease_is_over
            claims::nothing_goes_on_after_the_deadline
            claims::process_that_stood_still_does_not_go_on
            claims::answer_that_outlasts_the_lease_begins_nothing
            claims::late_heartbeat_makes_no_lease_shorter
            claims::late_claim_has_the_lease_that_is_on_the_record
            claims::too_little_time_claims_nothing
            claims::time_that_clocks_may_differ_by_is_no_time_to_begin
            claims::contended_record_is_busy_and_no_fault
            claims::record_that_keeps_changing_is_given_up
            claims::attempts_are_bounded
            claims::attempts_are_bounded_until_the_work_is_done
            claims::attempts_are_bounded_until_the_record_is_deleted
            claims::claim_that_is_over_is_not_claimed_again_by_a_late_request
            claims::busy_call_waits_for_the_result_of_the_other
            claims::waiting_call_takes_over_what_was_released
            claims::waiting_ends
            claims::busy_call_can_be_skipped
            claims::record_that_vanishes_does_not_take_the_result_along
            claims::record_in_progress_outlives_its_lease
            claims::clocks_may_differ_by_a_second
            claims::calls_of_one_process_wait_without_requests
            results::results_of_any_size_are_replayed
            results::larger_results_are_kept_on_the_record_on_demand
            results::result_that_the_store_cannot_keep_is_not_run_again
            results::missing_spill_is_an_error
            results::completion_that_is_lost_says_so
            results::replay_that_cannot_be_read_says_so
            results::result_of_another_type_is_an_error
            results::named_results_are_not_read_under_another_name
            results::corrupt_result_is_an_error
            results::record_of_a_newer_schema_is_an_error
            results::unreadable_record_is_an_error
            results::in_progress_without_a_lease_is_locked_until_it_expires
            writes::writes_are_committed_with_the_result
            writes::lost_answer_to_a_commit_is_recognised
            writes::commit_without_any_answer_is_cleared_up
            writes::refused_write_commits_nothing_and_frees_the_key
            writes::writes_of_work_that_must_not_be_run_twice_do_not_free_it
            writes::commit_that_was_given_up_is_not_written_by_late_requests
            writes::commit_does_not_take_the_result_of_somebody_else_for_its_own
            writes::commit_that_cannot_be_found_any_more_may_have_happened
            writes::nothing_has_happened_before_writes_are_sent
            writes::contended_commit_waits
            writes::one_request_commits_once
            writes::one_of_many_commits_once
            writes::lost_answer_to_a_single_request_is_recognised
            writes::probing_first_does_not_run_what_is_done
            writes::probe_without_an_answer_leaves_time_to_work
            writes::reading_while_waiting_ends_with_the_wait
            writes::refused_single_request_writes_nothing
            writes::key_is_seen_for_the_first_time_once
            desk::what_is_not_there_is_not_shown
            desk::released_work_is_run_again
            desk::resolved_work_is_replayed
            desk::lost_answer_to_a_resolution_is_recognised
            desk::work_that_is_resolved_as_failed_fails_alike
            desk::forgotten_work_is_run_anew
            desk::completed_work_is_not_released
            desk::live_work_is_not_released_by_mistake
            desk::live_work_is_not_forgotten_by_mistake
            desk::what_has_changed_is_not_amended
            desk::result_of_somebody_on_call_stands
            batches::equal_keys_of_a_batch_are_one_call
            batches::one_bad_record_does_not_fail_its_batch
            batches::equal_keys_with_other_payloads_are_mismatches
            batches::batch_is_worked_on_side_by_side_within_bounds
            batches::batch_begins_nothing_when_time_is_short
            batches::panic_of_one_record_leaves_the_others_done
            batches::panic_releases_the_key_and_goes_on
            batches::panic_of_a_classifier_is_one_of_the_work
            batches::calls_that_wait_take_turns_after_an_error
            batches::short_lease_leaves_time_to_work
            reports::every_call_ends_with_one_final_event
            reports::every_commit_ends_with_one_final_event
            reports::every_claim_ends_with_one_final_event
            reports::panic_of_an_observer_changes_nothing
            batches::panic_of_work_that_must_not_be_run_twice_holds_the_key
        }
    };
    (@tests $run:path => $($module:ident::$name:ident)*) => {$(
        #[test]
        fn $name() {
            $run($crate::conformance::$module::$name);
        }
    )*};
}
pub(crate) use conformance;
