// The reading of doctest's XML: a report as doctest 2.4.9 writes it, whole and broken off.
import { describe, expect, it } from 'vitest';
import { parseListing, parseOutcomes } from './doctest.ts';

const report = `<?xml version="1.0" encoding="UTF-8"?>
<doctest binary="./f" version="2.4.9">
  <Options order_by="file" rand_seed="0"/>
  <TestSuite>
    <TestCase name="a &lt;good> &amp; &quot;fine&quot; one" filename="f.cpp" line="5">
      <OverallResultsAsserts successes="1" failures="0" test_case_success="true"/>
    </TestCase>
    <TestCase name="another" filename="f.cpp" line="6">
      <Expression success="false" type="CHECK" filename="f.cpp" line="7">
        <Original>
          a&lt;1
        </Original>
        <Expanded>
          3 &lt;  1
        </Expanded>
        <Info>
          a := 3
        </Info>
      </Expression>
      <OverallResultsAsserts successes="0" failures="1" test_case_success="false"/>
    </TestCase>
    <TestCase name="not chosen" filename="f.cpp" line="9" skipped="true"/>
    <TestCase name="last" filename="f.cpp" line="10">
      <Exception crash="false">
        bad &lt;thing>
      </Exception>
`;

describe("doctest's report", () => {
  it('names every case, entities decoded', () => {
    expect(parseListing(report).map((c) => c.name)).toEqual([
      'a <good> & "fine" one',
      'another',
      'not chosen',
      'last',
    ]);
  });

  it('says which cases passed, and where and why others did not', () => {
    const outcomes = parseOutcomes(report);
    expect(outcomes.get('f.cpp:5')).toEqual({ passed: true, detail: '' });
    expect(outcomes.get('f.cpp:6')).toEqual({
      passed: false,
      detail: 'f.cpp:7\na<1\n3 <  1\na := 3',
    });
  });

  it('counts a case as failed that was left out or broken off', () => {
    const outcomes = parseOutcomes(report);
    expect(outcomes.get('f.cpp:9')?.passed).toBe(false);
    expect(outcomes.get('f.cpp:10')).toEqual({
      passed: false,
      detail: 'the run ended in the middle of this case\nbad <thing>',
    });
  });
});
